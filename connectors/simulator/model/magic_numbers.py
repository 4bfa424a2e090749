"""Magic numbers of Twilio's test credentials: https://www.twilio.com/docs/iam/test-credentials

The magic `To`s work with every account, since nobody has these numbers; the magic `From`s only with test credentials.
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
    """The objection a magic recipient stands for."""
    code = _TO.get(number)
    return None if code is None else ApiError(code, number)


def magic_from(number: str) -> ApiError | None:
    """The objection a magic sender stands for; every sender but one is refused to test credentials."""
    code = _FROM.get(number, 21606)
    return None if code is None else ApiError(code, number)
