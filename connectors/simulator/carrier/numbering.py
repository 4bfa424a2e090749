"""What a phone number tells: its kind, country and carrier, and the rate that Twilio publishes for it."""

from connectors.simulator.model.seeded_random import draw

# Toll-free codes: https://www.nanpa.com
_TOLL_FREE = tuple(f"+1{code}" for code in (800, 833, 844, 855, 866, 877, 888))

_CANADA = tuple(
    f"+1{code}"
    for code in (
        *(204, 226, 236, 249, 250, 257, 263, 289, 306, 343, 354, 365, 367, 368, 382, 387, 403, 416, 418, 428, 431),
        *(437, 438, 450, 460, 468, 474, 506, 514, 519, 548, 579, 581, 584, 587, 604, 613, 639, 647, 672, 683, 705),
        *(709, 742, 753, 778, 780, 782, 807, 819, 825, 867, 873, 879, 902, 905, 942),
    )
)

# Round figures of US subscribers, by the upper end of each carrier's share.
_SHARES = ((0.30, "att"), (0.60, "tmobile"), (0.92, "verizon"), (1.00, "other"))
CARRIERS = tuple(name for _share, name in _SHARES)


def toll_free(number: str) -> bool:
    """Whether a number is a US or Canadian toll-free one."""
    return number.startswith(_TOLL_FREE)


def canadian(number: str) -> bool:
    """Whether a number belongs to Canada."""
    return number.startswith(_CANADA)


def american(number: str) -> bool:
    """Whether a number belongs to the US; what is left of +1 is taken for it."""
    return number.startswith("+1") and not canadian(number) and not toll_free(number)


def carrier(person: str) -> str | None:
    """The carrier of a person in the US, drawn from the number; None elsewhere."""
    if not american(person):
        return None
    share = draw("carrier", person)
    return next(name for bound, name in _SHARES if share < bound)


def published_rate(sender: str, person: str) -> float:
    """Segments per second that Twilio lets this sender out to this person.

    Source: https://support.twilio.com/hc/en-us/articles/115002943027
    """
    if not sender.startswith("+") and sender.isdigit():
        return 100.0
    if toll_free(sender) and person.startswith("+1"):
        return 3.0
    return 1.0 if canadian(person) else 10.0
