"""What follows from a phone number: its kind, country and carrier, and the rate that Twilio publishes for it."""

from connectors.simulator.model.seeded_random import draw

# Toll-free area codes. Source: https://www.nanpa.com
_TOLL_FREE = tuple(f"+1{code}" for code in (800, 833, 844, 855, 866, 877, 888))

_CANADA = tuple(
    f"+1{code}"
    for code in (
        *(204, 226, 236, 249, 250, 257, 263, 289, 306, 343, 354, 365, 367, 368, 382, 387, 403, 416, 418, 428, 431),
        *(437, 438, 450, 460, 468, 474, 506, 514, 519, 548, 579, 581, 584, 587, 604, 613, 639, 647, 672, 683, 705),
        *(709, 742, 753, 778, 780, 782, 807, 819, 825, 867, 873, 879, 902, 905, 942),
    )
)

# Approximate shares of US subscribers, cumulated: each carrier with the upper end of its share.
_SHARES = ((0.30, "att"), (0.60, "tmobile"), (0.92, "verizon"), (1.00, "other"))
CARRIERS = tuple(name for _share, name in _SHARES)


def is_toll_free(number: str) -> bool:
    """Whether a number is a US or Canadian toll-free number."""
    return number.startswith(_TOLL_FREE)


def is_canadian(number: str) -> bool:
    """Whether a number belongs to Canada."""
    return number.startswith(_CANADA)


def is_us_number(number: str) -> bool:
    """Whether a number belongs to the US: every +1 number that is neither Canadian nor toll-free."""
    return number.startswith("+1") and not is_canadian(number) and not is_toll_free(number)


def draw_carrier(person: str) -> str | None:
    """The carrier of a person in the US, drawn from the number; None for other countries."""
    if not is_us_number(person):
        return None
    share = draw("carrier", person)
    return next(name for bound, name in _SHARES if share < bound)


def published_rate(sender: str, person: str) -> float:
    """Segments per second that Twilio sends from this sender to this person.

    Source: https://support.twilio.com/hc/en-us/articles/115002943027
    """
    if not sender.startswith("+") and sender.isdigit():
        return 100.0
    if is_toll_free(sender) and person.startswith("+1"):
        return 3.0
    return 1.0 if is_canadian(person) else 10.0
