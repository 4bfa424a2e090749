"""The message states that changed last, as values, so that they need not be decoded again.

The next event of a message comes within seconds, as a rule to the worker that wrote the last one. A cached state counts
only while the table has exactly the bytes that the state was written as, whoever wrote those bytes.
"""

from __future__ import annotations

from collections import OrderedDict

from schemas.codec import Codec
from schemas.states import MessageState

SIZE = 8192
"""States: some seconds of a worker's messages, a few dozen megabytes."""


class StateCache:
    """The latest states.

    Args:
        codec: Encodes and decodes states.
        size: How many states to remember.
    """

    def __init__(self, codec: Codec, size: int = SIZE) -> None:
        self._codec = codec
        self._size = size
        self._states: OrderedDict[bytes, tuple[bytes, MessageState]] = OrderedDict()

    def encode(self, key: bytes, state: MessageState) -> bytes:
        """Encode a state that will be saved under ``key``, and remember it.

        Raises:
            EncodeError: The state cannot be encoded.
        """
        value = self._codec.encode(state)
        self._states[key] = (value, state)
        self._states.move_to_end(key)
        if len(self._states) > self._size:
            self._states.popitem(last=False)
        return value

    def decode(self, key: bytes, value: bytes) -> MessageState:
        """The state of these bytes, which were read under ``key``.

        Raises:
            DecodeError: The bytes are no state.
        """
        cached = self._states.get(key)
        if cached is not None and cached[0] == value:
            return cached[1]
        return self._codec.decode(MessageState, value)
