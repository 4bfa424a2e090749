"""The magic numbers of Twilio's test credentials.

The magic ``To`` numbers work with every account, since nobody has these numbers; the magic ``From`` numbers work only
with test credentials.

Source: https://www.twilio.com/docs/iam/test-credentials
"""

from connectors.simulator.model.api_errors import ApiError

_TO = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}

_FROM = {"+15005550001": 21212, "+15005550006": None, "+15005550007": 21606, "+15005550008": 21611}


def magic_to(number: str) -> ApiError | None:
    """The error that a magic recipient causes; None for every other number."""
    code = _TO.get(number)
    return None if code is None else ApiError(code, number)


def magic_from(number: str) -> ApiError | None:
    """The error that a sender causes with test credentials; None for the one sender they may use."""
    code = _FROM.get(number, 21606)
    return None if code is None else ApiError(code, number)
