"""STOP, START and HELP as Twilio and its networks handle them by themselves.

Sources: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out (keywords, `OptOutType`),
https://support.twilio.com/hc/en-us/articles/223134027 (one word, any case; the block is per number or per service),
https://www.twilio.com/en-us/blog/update-to-fcc-s-sms-opt-out-keywords (REVOKE, OPTOUT),
https://support.twilio.com/hc/en-us/articles/360058144374 (toll-free: kept by the network, only START and UNSTOP undo).
"""

from dataclasses import dataclass

from connectors.simulator.carrier.numbering import toll_free
from connectors.simulator.model.settings import Account

_KEYWORDS = {
    **dict.fromkeys(("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"), "STOP"),
    **dict.fromkeys(("start", "yes", "unstop"), "START"),
    **dict.fromkeys(("help", "info"), "HELP"),
}
_FACTS = {"STOP": "blocked", "START": "unblocked"}

# Said in our words; Twilio's own are in the support article.
ANSWERS = {
    "STOP": "You are unsubscribed and will get no more messages from this number. Reply START to resubscribe.",
    "START": "You are subscribed again and will get messages from this number. Reply STOP to unsubscribe.",
    "HELP": "Reply STOP to unsubscribe. Message and data rates may apply.",
}


@dataclass(frozen=True, slots=True)
class KeywordMatch:
    """What a text to a number does by itself.

    `word`: what Twilio matched, and answers, if anything. `fact`: blocked or unblocked, if either.
    """

    word: str | None
    fact: str | None


def keyword(body: str) -> str | None:
    """STOP, START or HELP if the whole text is one of their words, else None."""
    return _KEYWORDS.get(body.strip().lower())


def match_keyword(number: str, body: str) -> KeywordMatch:
    """STOP and START to a toll-free number are its network's: Twilio neither matches nor answers them."""
    word = keyword(body)
    fact = _FACTS.get(word or "")
    if fact is None or not toll_free(number):
        return KeywordMatch(word, fact)
    return KeywordMatch(None, None if body.strip().lower() == "yes" else fact)


def scope(account: Account, number: str) -> str:
    """Whom a person's STOP to this number blocks: its Messaging Service, or the number alone."""
    service = None if toll_free(number) else account.service_of(number)
    return service.sid if service else number
