"""STOP, START and HELP as Twilio and the toll-free network handle them by themselves.

Source: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out (keywords, ``OptOutType``),
https://support.twilio.com/hc/en-us/articles/223134027 (one word, any case; the block is per number or per service),
https://www.twilio.com/en-us/blog/update-to-fcc-s-sms-opt-out-keywords (REVOKE, OPTOUT),
https://support.twilio.com/hc/en-us/articles/360058144374 (toll-free: enforced by the network, only START and UNSTOP
undo it).
"""

from dataclasses import dataclass

from connectors.simulator.carrier.numbering import is_toll_free
from connectors.simulator.model.settings import Account

_KEYWORDS = {
    **dict.fromkeys(("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"), "STOP"),
    **dict.fromkeys(("start", "yes", "unstop"), "START"),
    **dict.fromkeys(("help", "info"), "HELP"),
}
_EFFECTS = {"STOP": "blocked", "START": "unblocked"}

# Our wording; Twilio's own texts are in the support article.
KEYWORD_REPLIES = {
    "STOP": "You are unsubscribed and will get no more messages from this number. Reply START to resubscribe.",
    "START": "You are subscribed again and will get messages from this number. Reply STOP to unsubscribe.",
    "HELP": "Reply STOP to unsubscribe. Message and data rates may apply.",
}


@dataclass(frozen=True, slots=True)
class KeywordMatch:
    """What Twilio and its network do by themselves about an inbound text.

    Args:
        keyword: STOP, START or HELP, where Twilio matched it and replies to it; else None.
        effect: ``blocked`` or ``unblocked``, the journal entry that follows; None: neither.
    """

    keyword: str | None
    effect: str | None


def match_keyword(number: str, body: str) -> KeywordMatch:
    """Match a text to a number; a keyword must be the whole text.

    STOP and START to a toll-free number are the network's: Twilio neither matches nor answers them.
    """
    word = body.strip().lower()
    keyword = _KEYWORDS.get(word)
    effect = _EFFECTS.get(keyword or "")
    if effect is None or not is_toll_free(number):
        return KeywordMatch(keyword, effect)
    return KeywordMatch(None, None if word == "yes" else effect)


def block_scope(account: Account, number: str) -> str:
    """What a STOP to this number blocks: the SID of its Messaging Service, or the number alone."""
    service = None if is_toll_free(number) else account.service_of(number)
    return service.sid if service else number
