"""Repeatable randomness: every draw is a hash of the seed and of what the draw is for.

A draw depends on nothing that happened before it, so a second run with another order of requests draws the same values.
"""

from hashlib import blake2b

_RANGE = float(1 << 64)


def _hash(values: tuple[object, ...], size: int) -> bytes:
    return blake2b("\x1f".join(map(str, values)).encode("utf-8", "surrogatepass"), digest_size=size).digest()


def draw(*values: object) -> float:
    """A number in [0, 1); equal values give an equal number."""
    return int.from_bytes(_hash(values, 8), "big") / _RANGE


def hex32(*values: object) -> str:
    """32 hexadecimal digits; equal values give equal digits."""
    return _hash(values, 16).hex()
