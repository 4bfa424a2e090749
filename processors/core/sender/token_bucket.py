"""The limit of one sender: a token bucket in segments, as a pure value.

A sender has one owner, so this local bucket is exact across the cluster. Time never runs backwards in the bucket, and a
time in the future (``at``) closes it until then. A message larger than the bucket passes when the bucket is full, and
leaves a debt that later messages wait for.

The rate adapts as TCP's does: it halves when Twilio or a carrier answers "too fast" (429, 21611, 30001, 30022) and
grows back by small steps. The rate never exceeds the ceiling that the sender's type allows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

_FLOOR = 1 / 16  # of the ceiling: slow, but each minute still shows whether the limit is over
_STEP = 1 / 20  # of the ceiling: from half speed back to full in ten steps
_SETTLE = timedelta(seconds=1)  # calls in flight when the rate fell fail together: that is one signal, not many
_EPSILON = 1e-9  # segments; absorbs rounding, so that waiting for exactly the returned time is enough


class TokenBucket(Struct, frozen=True, gc=False):
    """The state of one sender's limit.

    Args:
        rate: Segments per second now.
        capacity: The most segments the bucket contains.
        tokens: Segments in the bucket at the time ``at``; negative is a debt.
        at: When ``tokens`` was counted, UTC. In the future: the bucket is closed until then.
        ceiling: The highest rate the sender's type allows, segments per second.
        slowed_at: When the rate was last halved, UTC.
        changed_at: When the rate last changed, UTC.
    """

    rate: float
    capacity: float
    tokens: float
    at: datetime
    ceiling: float
    slowed_at: datetime
    changed_at: datetime


def new_bucket(ceiling: float, now: datetime, capacity: float | None = None) -> TokenBucket:
    """A new bucket, empty, as nobody knows what was sent just before.

    Args:
        ceiling: The highest rate, segments per second; also the first rate.
        now: The time, UTC.
        capacity: Segments. None: one second's worth, at least 1.
    """
    size = max(1.0, ceiling) if capacity is None else capacity
    long_ago = now - _SETTLE  # so that the very first "too fast" counts
    return TokenBucket(ceiling, size, 0.0, now, ceiling, long_ago, long_ago)


def take(state: TokenBucket, segments: int, now: datetime) -> tuple[TokenBucket, bool, timedelta]:
    """Ask for one message's segments.

    Returns:
        The new bucket, whether the segments are granted, and if not how long to wait.
    """
    filled = refill(state, now)
    lacking = min(segments, filled.capacity) - filled.tokens
    closed = max(filled.at - now, timedelta())
    if lacking <= _EPSILON and not closed:
        return replace(filled, tokens=filled.tokens - segments), True, timedelta()
    return filled, False, closed + timedelta(microseconds=ceil(max(lacking, 0) / filled.rate * 1e6))


def refill(state: TokenBucket, now: datetime) -> TokenBucket:
    """The same bucket as of now. Unchanged while the bucket is closed, or if the clock went back."""
    if now <= state.at:
        return state
    gained = (now - state.at).total_seconds() * state.rate
    return replace(state, tokens=min(state.capacity, state.tokens + gained), at=now)


def cool_down(state: TokenBucket, until: datetime) -> TokenBucket:
    """Close the bucket until a time, and let it start from empty then. Never shortens a pause that is under way."""
    return replace(state, tokens=min(state.tokens, 0.0), at=max(state.at, until))


def slower(state: TokenBucket, now: datetime) -> TokenBucket:
    """Halve the rate after a "too fast". A second one within a second is the same signal and changes nothing."""
    if now - state.slowed_at < _SETTLE:
        return state
    rate = max(state.rate / 2, state.ceiling * _FLOOR)
    return replace(refill(state, now), rate=rate, slowed_at=now, changed_at=now)


def faster(state: TokenBucket, now: datetime) -> TokenBucket:
    """Raise the rate by one step towards the ceiling, at most once a second, after a call that was accepted."""
    if state.rate >= state.ceiling or now - state.changed_at < _SETTLE:
        return state
    rate = min(state.rate + state.ceiling * _STEP, state.ceiling)
    return replace(refill(state, now), rate=rate, changed_at=now)
