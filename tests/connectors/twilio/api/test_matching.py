"""Which row of the list an attempt's message is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.twilio.api.matching import ListRow, match
from schemas.enums import Action, Outcome
from schemas.records import Dispatch
from tests.builders import NOW, NUMBER, SERVICE, dispatch, seconds

LATER = NOW + timedelta(minutes=5)


def look_up(**changes: Any) -> Dispatch:
    window = {"called_after": NOW, "called_before": NOW + seconds(30)}
    return dispatch(**{"action": Action.LOOK_UP, **window, **changes})


def row(sid: str = "SM1", **changes: Any) -> ListRow:
    return ListRow(
        **{
            "sid": sid,
            "status": "sent",
            "sender_number": NUMBER,
            "messaging_service": None,
            "body": "hello",
            "created_by_api": True,
            "date_created": NOW + seconds(1),
            **changes,
        }
    )


def found(asked: Dispatch, *rows: ListRow) -> tuple[Outcome, str | None]:
    told = match(asked, rows, LATER)
    return told.outcome, told.row.sid if told.row else None


def test_the_same_text_of_that_time_is_it() -> None:
    assert found(look_up(), row(body="other"), row("SM2")) == (Outcome.ACCEPTED, "SM2")


def test_an_empty_list_is_an_absent_message() -> None:
    assert found(look_up()) == (Outcome.ABSENT, None)


@pytest.mark.parametrize(
    "other",
    [
        row(date_created=NOW - seconds(1)),
        row(date_created=NOW + seconds(31)),
        row(date_created=None),
        row(sender_number="+15005550007"),
        row(sender_number=None, messaging_service=SERVICE),
        row(created_by_api=False),
        row(body="another text"),
    ],
    ids=["earlier", "later", "undated", "other number", "by a service", "inbound", "other text"],
)
def test_what_differs_in_one_point_is_not_it(other: ListRow) -> None:
    assert found(look_up(), other) == (Outcome.ABSENT, None)


def test_what_another_attempt_claims_is_not_it() -> None:
    assert found(look_up(claimed_sids=["SM1"]), row("SM1"), row("SM2")) == (Outcome.ACCEPTED, "SM2")


def test_twilios_whole_seconds_do_not_hide_a_message() -> None:
    asked = look_up(called_after=NOW + timedelta(milliseconds=900))

    assert found(asked, row(date_created=NOW)) == (Outcome.ACCEPTED, "SM1")


def test_of_two_equal_texts_the_earlier_is_taken() -> None:
    assert found(look_up(), row("SM2", date_created=NOW + seconds(9)), row("SM1")) == (Outcome.ACCEPTED, "SM1")


def test_a_service_is_known_by_its_sid_before_it_has_chosen_a_number() -> None:
    asked = look_up(sender=SERVICE)

    assert found(asked, row(sender_number=None, messaging_service=SERVICE)) == (Outcome.ACCEPTED, "SM1")


@pytest.mark.parametrize("body", ["hello ", " hello\r\n", "“hello”", "hello…", "ｈello"])
def test_what_twilio_does_to_a_text_does_not_hide_it(body: str) -> None:
    assert found(look_up(body=body), row(body="hello")) == (Outcome.ACCEPTED, "SM1")


def test_letters_of_every_script_count() -> None:
    assert found(look_up(body="привет"), row(body="пока")) == (Outcome.ABSENT, None)


@pytest.mark.parametrize(
    "asked",
    [
        look_up(body=None, content_sid="HX1"),
        look_up(body=None, media_urls=["https://a.example/1"]),
        look_up(body="see https://a.example/1", shorten_urls=True),
        look_up(body="ʜᴇʟʟᴏ", smart_encoding=True),
    ],
    ids=["template", "media", "short links", "smart encoding"],
)
def test_a_text_that_cannot_be_compared_is_taken_if_it_is_the_only_one(asked: Dispatch) -> None:
    assert found(asked, row(body="whatever")) == (Outcome.ACCEPTED, "SM1")
    assert found(asked, row(body="whatever"), row("SM2", body="else")) == (Outcome.UNKNOWN, None)


def test_a_redacted_row_may_be_it() -> None:
    assert found(look_up(), row(body="")) == (Outcome.ACCEPTED, "SM1")


def test_without_a_window_it_is_from_the_order_until_now() -> None:
    assert found(look_up(called_after=None, called_before=None), row()) == (Outcome.ACCEPTED, "SM1")
