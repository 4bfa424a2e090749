"""Is a webhook Twilio's? The SDK's own validator is the oracle."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator, get_signature_algorithm

from connectors.twilio.errors import SettingError
from connectors.twilio.webhooks.signature import SignatureCheck, signature

URL = "https://sms.example.com"
PATH = "/twilio/status?attempt_id=m/1"
FIELDS = [("MessageSid", "SM1"), ("To", "+12125550100"), ("Blank", "")]
TOKEN = "t" * 32

texts = st.text(st.characters(codec="utf-8"), max_size=12)
forms = st.lists(st.tuples(texts, texts), max_size=8)


def test_twilios_published_example_holds() -> None:
    """https://www.twilio.com/docs/usage/security"""
    fields = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675310"),
        ("Digits", "1234"),
        ("From", "+14158675310"),
        ("To", "+18005551212"),
    ]

    assert signature("12345", "https://example.com/myapp.php?foo=1&bar=2", fields) == "L/OH5YylLD5NRKLltdqwSvS0BnU="


@given(fields=forms)
def test_it_signs_as_the_sdk_does(fields: list[tuple[str, str]]) -> None:
    assert signature(TOKEN, URL + PATH, fields) == RequestValidator(TOKEN).compute_signature(
        URL + PATH, MultiDict(fields)
    )


@given(
    fields=forms, signed_at=st.sampled_from(["https://h.example", "https://h.example:443", "https://h.example:8443"])
)
@pytest.mark.parametrize("configured", ["https://h.example", "https://h.example:443"])
def test_it_accepts_what_the_sdk_accepts(configured: str, signed_at: str, fields: list[tuple[str, str]]) -> None:
    given_signature = signature(TOKEN, signed_at + PATH, fields)
    oracle = RequestValidator(TOKEN).validate(configured + PATH, MultiDict(fields), given_signature)

    assert SignatureCheck(configured, [TOKEN]).verify(PATH, fields, given_signature) == oracle


def test_during_a_rotation_both_tokens_are_good() -> None:
    check = SignatureCheck(URL + "/", ["new", "old"])

    for token in ("new", "old"):
        assert check.verify(PATH, FIELDS, signature(token, URL + PATH, FIELDS))
    assert not check.verify(PATH, FIELDS, signature("older", URL + PATH, FIELDS))


@pytest.mark.parametrize("forged", [None, "", "x", "é", "\udcff", "L/OH5YylLD5NRKLltdqwSvS0BnU="])
def test_a_bad_header_is_a_no_and_not_an_error(forged: str | None) -> None:
    assert not SignatureCheck(URL, [TOKEN]).verify(PATH, FIELDS, forged)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (PATH + "1", FIELDS),
        ("/other", FIELDS),
        (PATH, FIELDS[:-2]),
        (PATH, [*FIELDS, ("More", "1")]),
        (PATH, [("MessageSid", "SM2"), *FIELDS[1:]]),
    ],
    ids=["query", "path", "field dropped", "field added", "value changed"],
)
def test_a_change_of_anything_signed_is_seen(path: str, fields: list[tuple[str, str]]) -> None:
    genuine = signature(TOKEN, URL + PATH, FIELDS)

    assert SignatureCheck(URL, [TOKEN]).verify(PATH, FIELDS, genuine)
    assert not SignatureCheck(URL, [TOKEN]).verify(path, fields, genuine)


def test_a_prefix_that_a_proxy_strips_is_signed() -> None:
    check = SignatureCheck("https://h.example/hooks/", [TOKEN])

    assert check.verify(PATH, FIELDS, signature(TOKEN, "https://h.example/hooks" + PATH, FIELDS))


@pytest.mark.parametrize(
    ("url", "tokens", "named"),
    [
        ("sms.example.com", [TOKEN], "public_url"),
        ("https://sms.example.com#x", [TOKEN], "public_url"),
        (URL, [], "auth_tokens"),
        (URL, [TOKEN, ""], "auth_tokens"),
    ],
)
def test_settings_that_check_nothing_are_refused(url: str, tokens: list[str], named: str) -> None:
    with pytest.raises(SettingError, match=named):
        SignatureCheck(url, tokens)


KEY = "webhooks_sharedkey_1"
SETTINGS = f"key={KEY},algorithm=HMAC_SHA256"


@given(fields=forms, algorithm=st.sampled_from(["HMAC_SHA1", "HMAC_SHA256"]))
def test_a_shared_key_signs_as_the_sdk_says(fields: list[tuple[str, str]], algorithm: str) -> None:
    validator = RequestValidator("shared")
    made = validator.compute_signature(URL + PATH, MultiDict(fields), algorithm)
    header = f"key={KEY},algorithm={algorithm}"

    assert get_signature_algorithm(header) == algorithm
    assert SignatureCheck(URL, [], {KEY: "shared"}).verify(PATH, fields, made, header)
    assert made == signature("shared", URL + PATH, fields, algorithm)


@pytest.mark.parametrize(
    "header",
    ["", "key=other,algorithm=HMAC_SHA256", f"key={KEY}", f"key={KEY},algorithm=NONE", "algorithm=HMAC_SHA256", ",,=,"],
)
def test_only_a_key_and_algorithm_we_know_count(header: str) -> None:
    made = signature("shared", URL + PATH, FIELDS, "HMAC_SHA256")

    assert not SignatureCheck(URL, [TOKEN], {KEY: "shared"}).verify(PATH, FIELDS, made, header)


def test_a_token_is_no_shared_key_and_a_shared_key_no_token() -> None:
    check = SignatureCheck(URL, [TOKEN], {KEY: "shared"})

    assert not check.verify(PATH, FIELDS, signature("shared", URL + PATH, FIELDS))
    assert not check.verify(PATH, FIELDS, signature(TOKEN, URL + PATH, FIELDS, "HMAC_SHA256"), SETTINGS)


@given(body=st.text(max_size=20))
def test_a_body_is_genuine_if_the_signed_url_has_its_hash(body: str) -> None:
    path = f"{PATH}&bodySHA256={sha256(body.encode()).hexdigest()}"
    made = signature(TOKEN, URL + path, ())
    check = SignatureCheck(URL, [TOKEN])

    assert RequestValidator(TOKEN).validate(URL + path, body, made)
    assert check.verify_body(path, body.encode(), made)
    assert not check.verify_body(path, body.encode() + b" ", made)
    assert not check.verify_body(PATH, body.encode(), signature(TOKEN, URL + PATH, ()))
    assert not check.verify_body(path, body.encode(), None)


@pytest.mark.parametrize("shared", [{"": "secret"}, {KEY: ""}])
def test_an_empty_shared_key_is_a_mistake(shared: dict[str, str]) -> None:
    with pytest.raises(SettingError, match="shared_keys"):
        SignatureCheck(URL, [TOKEN], shared)
