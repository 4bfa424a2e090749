"""The automatic reply to a person's text. Twilio or smsflow replies, never both.

Twilio itself replies to its standard words (and, with Advanced Opt-Out, to whatever matched there), then blocks the
pair of numbers: a second reply, by smsflow, would fail with error 21610. smsflow replies to the words and sentences
that only smsflow understands.
Source: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from processors.core.inbound.meaning import Meaning, fold, interpret
from schemas.enums import MessageClass
from schemas.records import InboundMessage, SendRequest

TWILIO_KEYWORDS = frozenset(
    (
        *("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"),
        *("start", "yes", "unstop"),
        *("help", "info"),
    )
)
"""The words that Twilio replies to by default.

Source: https://support.twilio.com/hc/en-us/articles/223134027 and its update of 2025-05-14 (REVOKE, OPTOUT)
"""


@dataclass(frozen=True, slots=True)
class ReplyTexts:
    """The texts of smsflow's replies.

    Source: 47 CFR 64.1200(a)(12): the confirmation of a STOP must contain no marketing.
    """

    stop: str = "You have opted out and will get no more messages from us. Reply START to opt in again."
    start: str = "You have opted in and will get messages from us again. Reply STOP to opt out, HELP for help."
    help: str = "Reply STOP to opt out of our messages, START to opt in again, STATUS to ask which holds."
    status: str = "You get messages from us. Reply STOP to opt out, HELP for help."


DEFAULT_TEXTS = ReplyTexts()


def auto_reply(
    inbound: InboundMessage, keywords: Mapping[str, Meaning], texts: ReplyTexts, *, twilio_answers: bool = True
) -> str | None:
    """The text that the webhook replies at once, or None where Twilio has replied or no reply is needed.

    Args:
        twilio_answers: The Twilio account replies to the standard words itself, as it does by default.
    """
    if inbound.opt_out_type or (twilio_answers and fold(inbound.body) in TWILIO_KEYWORDS):
        return None
    replies = {Meaning.STOP: texts.stop, Meaning.START: texts.start, Meaning.HELP: texts.help}
    return replies.get(interpret(inbound.body, None, keywords))


def status_reply(inbound: InboundMessage, known_senders: frozenset[str], texts: ReplyTexts) -> SendRequest:
    """The reply to STATUS: a send request like any other, so that a person who opted out gets no reply.

    The reply is sent from the number or Messaging Service that was texted, where that is a configured sender.
    """
    service = inbound.messaging_service if inbound.messaging_service in known_senders else None
    return SendRequest(
        message_id=f"status-{inbound.message_sid}",
        to=inbound.person,
        tenant="smsflow",
        message_class=MessageClass.CONVERSATION,
        messaging_service=service,
        sender=inbound.to if service is None and inbound.to in known_senders else None,
        body=texts.status,
        requested_at=inbound.received_at,
    )
