"""Two attempts for one row of Twilio's list, which does not say which attempt a message came from.

While both are in doubt, one message with their text proves that one of them was accepted, and not which: taken for the
wrong one's it would hide a text that was never sent. Only a callback, which carries the attempt's id, tells.
"""

from __future__ import annotations

import unicodedata

from processors.core.person.outbox import CLOCK_SKEW
from schemas.records import Outcome, SendRequest
from schemas.states import AttemptState, MessageState


def ambiguous_with(message: MessageState, number: int, other: MessageState) -> bool:
    """Whether a message found for this attempt may just as well be an attempt of the other message."""
    mine = message.attempts[number - 1]
    return _alike(message.request, other.request) and any(
        attempt.outcome in (None, Outcome.UNKNOWN) and attempt.sender == mine.sender and _meet(mine, attempt)
        for attempt in other.attempts
    )


def _meet(one: AttemptState, other: AttemptState) -> bool:
    """Whether their calls can have fallen into one search of the list."""
    return not _ended_before(one, other) and not _ended_before(other, one)


def _ended_before(one: AttemptState, other: AttemptState) -> bool:
    return one.intent_until is not None and one.intent_until + CLOCK_SKEW < other.issued_at - CLOCK_SKEW


def _alike(one: SendRequest, other: SendRequest) -> bool:
    """Texts that Twilio composes or rewrites cannot be told apart; others by their letters and digits."""
    return not _plain(one) or not _plain(other) or _letters(one.body or "") == _letters(other.body or "")


def _plain(request: SendRequest) -> bool:
    return request.body is not None and not request.shorten_urls and not request.smart_encoding


def _letters(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKD", text).casefold() if char.isalnum())
