"""Two attempts that one row of Twilio's message list fits, since the list does not name the attempt of a message.

While the outcome of both attempts is open, one message with their text proves that Twilio accepted one of them, but not
which one. Given to the wrong attempt, that message would hide a text that was never sent. Only a callback, which
carries the attempt's id, can decide.
"""

from __future__ import annotations

from processors.core.person.commands import CLOCK_SKEW
from processors.core.person.transitions import is_open
from schemas.records import SendRequest
from schemas.states import AttemptState, MessageState
from schemas.text_comparison import letters_and_digits


def is_ambiguous_with(message: MessageState, number: int, other: MessageState) -> bool:
    """Whether a list row found for attempt ``number`` (from 1) of a message may be an attempt of the other message."""
    attempt = message.attempts[number - 1]
    return _has_same_text(message.request, other.request) and any(
        is_open(rival) and rival.sender == attempt.sender and _overlaps(attempt, rival) for rival in other.attempts
    )


def _overlaps(one: AttemptState, other: AttemptState) -> bool:
    """Whether the calls of both attempts can lie in one search window of the list."""
    return not _ended_before(one, other) and not _ended_before(other, one)


def _ended_before(one: AttemptState, other: AttemptState) -> bool:
    return one.intent_until is not None and one.intent_until + CLOCK_SKEW < other.issued_at - CLOCK_SKEW


def _has_same_text(one: SendRequest, other: SendRequest) -> bool:
    """Whether the list cannot tell the texts apart: their letters and digits are equal, or Twilio composes one."""
    if not _is_sent_as_written(one) or not _is_sent_as_written(other):
        return True
    return letters_and_digits(one.body or "") == letters_and_digits(other.body or "")


def _is_sent_as_written(request: SendRequest) -> bool:
    return request.body is not None and not request.shorten_urls and not request.smart_encoding
