"""Chance that repeats itself: every draw is a hash of the seed and of what it is drawn for.

So a draw depends on nothing that happened before it, and a rerun in another order draws the same.
"""

from hashlib import blake2b

_RANGE = float(1 << 64)


def _digest(parts: tuple[object, ...], size: int) -> bytes:
    return blake2b("\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=size).digest()


def draw(*parts: object) -> float:
    """A number in [0, 1) that belongs to these parts."""
    return int.from_bytes(_digest(parts, 8), "big") / _RANGE


def hex32(*parts: object) -> str:
    """32 hexadecimal digits that belong to these parts."""
    return _digest(parts, 16).hex()
