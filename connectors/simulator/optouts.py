"""STOP, START and HELP as Twilio handles them by itself.

Sources: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out (keywords, `OptOutType`),
https://support.twilio.com/hc/en-us/articles/223134027 (one word, any case; the block is per number or per service),
https://www.twilio.com/en-us/blog/update-to-fcc-s-sms-opt-out-keywords (REVOKE, OPTOUT).
"""

from connectors.simulator.settings import Account

_KEYWORDS = {
    **dict.fromkeys(("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"), "STOP"),
    **dict.fromkeys(("start", "yes", "unstop"), "START"),
    **dict.fromkeys(("help", "info"), "HELP"),
}

# Said in our words; Twilio's own are in the support article.
ANSWERS = {
    "STOP": "You are unsubscribed and will get no more messages from this number. Reply START to resubscribe.",
    "START": "You are subscribed again and will get messages from this number. Reply STOP to unsubscribe.",
    "HELP": "Reply STOP to unsubscribe. Message and data rates may apply.",
}


def keyword(body: str) -> str | None:
    """STOP, START or HELP if the whole text is one of their words, else None."""
    return _KEYWORDS.get(body.strip().lower())


def scope(account: Account, number: str) -> str:
    """Whom a person's STOP to this number blocks: its Messaging Service, or the number alone."""
    service = account.service_of(number)
    return service.sid if service else number
