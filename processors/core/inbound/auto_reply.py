"""What is answered to a person's text, and by whom: nobody gets two answers to one STOP.

Twilio itself answers its standard words (and, with Advanced Opt-Out, whatever matched there), then blocks the pair; an
answer of ours would be a second one, and fail with 21610. We answer the words and sentences only we understand.
Source: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from processors.core.inbound.meaning import Meaning, fold, interpret
from schemas.records import InboundMessage, MessageClass, SendRequest

# https://support.twilio.com/hc/en-us/articles/223134027 and its update of 2025-05-14 (REVOKE, OPTOUT)
TWILIO_ANSWERS = frozenset(
    (
        *("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"),
        *("start", "yes", "unstop"),
        *("help", "info"),
    )
)


@dataclass(frozen=True, slots=True)
class ReplyTexts:
    """The words of our answers. No marketing in the confirmation of a STOP (47 CFR 64.1200(a)(12))."""

    stop: str = "You have opted out and will get no more messages from us. Reply START to opt in again."
    start: str = "You have opted in and will get messages from us again. Reply STOP to opt out, HELP for help."
    help: str = "Reply STOP to opt out of our messages, START to opt in again, STATUS to ask which holds."
    status: str = "You get messages from us. Reply STOP to opt out, HELP for help."


DEFAULT_TEXTS = ReplyTexts()


def auto_reply(
    inbound: InboundMessage, keywords: Mapping[str, Meaning], texts: ReplyTexts, *, twilio_answers: bool = True
) -> str | None:
    """What the webhook answers at once, or None: Twilio has answered, or there is nothing to say.

    ``twilio_answers``: the account's own handling of the standard words is on, as it is by default.
    """
    if inbound.opt_out_type or (twilio_answers and fold(inbound.body) in TWILIO_ANSWERS):
        return None
    said = {Meaning.STOP: texts.stop, Meaning.START: texts.start, Meaning.HELP: texts.help}
    return said.get(interpret(inbound.body, None, keywords).meaning)


def status_reply(inbound: InboundMessage, known_senders: frozenset[str], texts: ReplyTexts) -> SendRequest:
    """The answer to STATUS: a message like any other, so that one who opted out gets none.

    It goes out by the number that was texted, where that is a sender of ours.
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
