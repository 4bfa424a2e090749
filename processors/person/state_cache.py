"""The states of messages that changed last, as values: to spare reading them from their bytes again.

A message's next event comes within seconds, as a rule to the worker that wrote the last. What is remembered is never
believed: it counts only while the table holds the very bytes it was written as, whoever wrote those.
"""

from __future__ import annotations

from collections import OrderedDict

from schemas.codec import Codec
from schemas.states import MessageState

SIZE = 8192
"""States: some seconds of a worker's messages, a few dozen megabytes."""


class StateCache:
    """At most ``size`` states, the latest."""

    def __init__(self, codec: Codec, size: int = SIZE) -> None:
        self._codec = codec
        self._size = size
        self._states: OrderedDict[bytes, tuple[bytes, MessageState]] = OrderedDict()

    def write(self, key: bytes, state: MessageState) -> bytes:
        """The state's bytes, to be kept under ``key``. Raises EncodeError."""
        value = self._codec.encode(state)
        self._states[key] = (value, state)
        self._states.move_to_end(key)
        if len(self._states) > self._size:
            self._states.popitem(last=False)
        return value

    def read(self, key: bytes, value: bytes) -> MessageState:
        """The state in these bytes, which were found under ``key``. Raises DecodeError."""
        known = self._states.get(key)
        if known is not None and known[0] == value:
            return known[1]
        return self._codec.decode(MessageState, value)
