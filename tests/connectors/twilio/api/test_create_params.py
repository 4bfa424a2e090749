"""What a dispatch asks of Twilio."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.twilio.api.account import CallbackRetries
from connectors.twilio.api.create_params import create_params, validity
from connectors.twilio.errors import SettingError
from tests.builders import NOW, SERVICE, dispatch, seconds
from tests.connectors.twilio.webhooks.fixtures import account


def test_a_plain_text_goes_from_its_number_with_the_attempt_in_the_callback() -> None:
    fields = create_params(dispatch(attempt_id="order 7/1", sender="+15005550006"), account(), NOW)

    assert fields == {
        "to": "+12125550100",
        "from_": "+15005550006",
        "body": "hello",
        "smart_encoded": False,
        "validity_period": 3600,
        "status_callback": "https://sms.example.com/twilio/status?attempt_id=order%207/1"
        "#rc=5&rp=all&ct=2000&rt=5000&tt=15000",
    }


def test_a_messaging_service_is_told_by_its_sid() -> None:
    fields = create_params(dispatch(sender=SERVICE, shorten_urls=True, smart_encoding=True), account(), NOW)

    assert fields["messaging_service_sid"] == SERVICE
    assert "from_" not in fields
    assert (fields["shorten_urls"], fields["smart_encoded"]) == (True, True)


def test_a_template_takes_the_place_of_the_body() -> None:
    variables = {"1": "Zoë"}
    fields = create_params(dispatch(body="x", content_sid="HX1", content_variables=variables), account(), NOW)

    assert (fields["content_sid"], fields["content_variables"]) == ("HX1", '{"1": "Zoë"}')
    assert "body" not in fields


def test_media_go_along() -> None:
    fields = create_params(dispatch(body=None, media_urls=["https://a.example/1"]), account(), NOW)

    assert fields["media_url"] == ["https://a.example/1"]
    assert "body" not in fields


def test_without_a_public_url_no_callback_is_asked_for() -> None:
    assert "status_callback" not in create_params(dispatch(), account(public_url=None), NOW)


@pytest.mark.parametrize(
    ("left", "wished", "told"),
    [(60.9, None, 60), (60, 30, 30), (60, 90, 60), (100_000, None, 36_000), (0.4, None, 1), (-5, 10, 1)],
)
def test_twilio_may_not_queue_it_past_the_deadline(left: float, wished: int | None, told: int) -> None:
    assert validity(dispatch(deadline=NOW + seconds(left), validity_s=wished), NOW) == told


def test_how_hard_twilio_tries_is_a_setting() -> None:
    url = account(retries=CallbackRetries(retries=2, on="5xx")).status_callback("m/1")

    assert url is not None
    assert url.endswith("#rc=2&rp=5xx&ct=2000&rt=5000&tt=15000")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("public_url", "sms.example.com"),
        ("public_url", "ftp://sms.example.com"),
        ("public_url", "https://"),
        ("public_url", "https://sms.example.com/?a=1"),
        ("public_url", "https://me:pw@sms.example.com"),
        ("base_url", "http://h:port"),
        ("account_sid", "SK1"),
        ("user", "bob"),
        ("secret", ""),
    ],
)
def test_a_setting_that_cannot_work_is_named(setting: str, value: str) -> None:
    with pytest.raises(SettingError, match=setting):
        account(**{setting: value})


def test_an_account_does_not_show_its_secret() -> None:
    assert "hunter2" not in repr(account(secret="hunter2"))


def test_a_deadline_of_days_is_not_a_validity_of_days() -> None:
    assert validity(dispatch(deadline=NOW + timedelta(days=3)), NOW) == 36_000
