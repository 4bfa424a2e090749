"""Which numbers may be texted, and what is said about the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.core.sms.phone_numbers import BadNumber, PhoneNumber, parse_number


def good(raw: str) -> PhoneNumber:
    number = parse_number(raw)
    assert isinstance(number, PhoneNumber), number
    return number


def bad(raw: str) -> BadNumber:
    number = parse_number(raw)
    assert isinstance(number, BadNumber), number
    return number


def test_a_number_tells_country_and_zone() -> None:
    assert good("+12125550123") == PhoneNumber("+12125550123", "US", ("America/New_York",))


@pytest.mark.parametrize("raw", ["+12125550100", "+12125550199", "+447700900123", "+15005550006", "+15005550001"])
def test_numbers_reserved_for_fiction_and_magic_numbers_are_usable(raw: str) -> None:
    assert good(raw).e164 == raw


def test_a_number_of_an_unassigned_range_has_the_country_of_its_calling_code() -> None:
    number = good("+447700900123")
    assert number.region == "GB"
    assert "Europe/London" in number.zones


def test_canada_is_not_the_united_states() -> None:
    assert good("+16135550123").region == "CA"


def test_toll_free_numbers_may_be_anywhere_in_north_america() -> None:
    number = good("+18005550123")
    assert {"America/New_York", "Pacific/Honolulu"} <= set(number.zones)


@pytest.mark.parametrize("raw", ["+19005550123", "+33891234567", "+448431234567"])
def test_premium_and_shared_cost_numbers_are_refused(raw: str) -> None:
    assert bad(raw).reason == "premium_number"


@pytest.mark.parametrize(
    ("raw", "reason", "detail"),
    [
        ("+1212555", "impossible_number", "+1212555: too short for US; give E.164, like +12125550123"),
        ("+4477009001234", "impossible_number", "+4477009001234: too long for GB; give E.164, like +447700900123"),
        ("+15550123", "impossible_number", "+15550123: too short, the area code is missing for US; "),
        ("+9991234567", "impossible_number", "+9991234567: no such country calling code"),
        ("2125550123", "not_e164", "'2125550123': no leading + and country code"),
        ("0012125550123", "not_e164", "'0012125550123': no leading +"),
        ("+1 (212) 555-0123", "not_e164", "'+1 (212) 555-0123': not E.164; write +12125550123"),
        ("+4407700900123", "not_e164", "+4407700900123: not the international form; write +447700900123"),
        ("", "not_e164", "'': empty; give E.164"),
        ("ACME", "not_e164", "'ACME': not a phone number"),
        ("+1٢125550123", "not_e164", "'+1٢125550123': not a phone number"),
        ("+12125550123\n", "not_e164", "'+12125550123\\n': not E.164; write +12125550123"),
    ],
)
def test_a_refusal_names_what_is_wrong_and_how_to_put_it_right(raw: str, reason: str, detail: str) -> None:
    assert bad(raw).reason == reason
    assert bad(raw).detail.startswith(detail)


def test_a_huge_text_is_refused_without_being_repeated() -> None:
    assert len(bad("9" * 1_000_000).detail) < 200


@given(st.one_of(st.text(), st.from_regex(r"\+[0-9]{1,17}", fullmatch=True)))
def test_whatever_comes_in_is_a_number_under_its_own_name_or_a_refusal_with_reasons(raw: str) -> None:
    number = parse_number(raw)
    if isinstance(number, PhoneNumber):
        assert number.e164 == raw
        assert number.region
    else:
        assert number.reason in ("not_e164", "impossible_number", "premium_number")
        assert number.detail
