"""A plan says send only of what certainly did not go out, may pass now, and has not been taken up since."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from processors.core.person.consent import program_scope
from processors.core.replay import Filters, PlanEntry, RecordLocation, ReplayFacts, ReplayVerdict, plan_replay
from schemas.enums import MessageClass
from schemas.records import DeadLetter, Failed, Revocation, Sent, StatusChanged
from tests.builders import NOW, PERSON, request, seconds

FAILED_AT = RecordLocation("sms-failed", 3, 17)
LETTER_AT = RecordLocation("sms-requests-dlq", 1, 2)
EVERYTHING = Filters(since=NOW - timedelta(days=1))


def failed(**changes: Any) -> Failed:
    return Failed(
        **{
            "event_id": "m1/1/failed",
            "message_id": "m1",
            "attempt": 1,
            "person": PERSON,
            "tenant": "acme",
            "campaign": "spring",
            "message_class": MessageClass.TRANSACTIONAL,
            "reason": "unreachable",
            "detail": "",
            "suppressed": False,
            "replayable": True,
            "request": request(),
            "requested_at": NOW,
            "occurred_at": NOW,
            **changes,
        }
    )


def status(status: str, **changes: Any) -> StatusChanged:
    return StatusChanged(
        **{
            "event_id": "e",
            "message_id": "m1",
            "attempt": 1,
            "person": PERSON,
            "tenant": "acme",
            "status": status,
            "final": False,
            "occurred_at": NOW,
            **changes,
        }
    )


def sent(attempt: int) -> Sent:
    return Sent(
        event_id="s",
        message_id="m1",
        attempt=attempt,
        sid="SM1",
        person=PERSON,
        country="US",
        sender="+15005550006",
        number_type="10dlc",
        tenant="acme",
        message_class=MessageClass.TRANSACTIONAL,
        encoding="GSM-7",
        segments=1,
        estimated_cost=0,  # type: ignore[arg-type]  # no matter here
        currency="USD",
        requested_at=NOW,
        occurred_at=NOW,
    )


def revocation(scope: str = "all", *, revoked: bool = True, after_s: float = 0) -> Revocation:
    at = NOW + seconds(after_s)
    return Revocation(person=PERSON, scope=scope, revoked=revoked, source_id=f"{at}", occurred_at=at)


def letter(**changes: Any) -> DeadLetter:
    return DeadLetter(
        **{
            "topic": "sms-requests",
            "partition": 1,
            "offset": 40,
            "key": b"k",
            "value": b"\x00bytes",
            "reason": "undecodable",
            "detail": "",
            "stage": "person",
            "occurred_at": NOW,
            **changes,
        }
    )


def entries(*records: object, filters: Filters = EVERYTHING, put_back: frozenset[str] = frozenset()) -> list[PlanEntry]:
    facts = ReplayFacts(put_back=set(put_back))
    for record in records:
        facts.add(LETTER_AT if isinstance(record, DeadLetter) else FAILED_AT, record)
    return list(plan_replay("p1", facts, filters, NOW).entries)


def only(*records: object) -> tuple[ReplayVerdict, str]:
    (entry,) = entries(*records)
    return entry.verdict, entry.why


def test_what_failed_for_a_passing_reason_is_sent_again() -> None:
    (entry,) = entries(failed())
    assert entry == PlanEntry(FAILED_AT, "unreachable", ReplayVerdict.SEND, "sms-requests", "m1")


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([failed(), status("delivered")], "delivered"),
        ([failed(), status("read", attempt=2)], "delivered"),
        ([failed(), sent(attempt=2)], "tried again since"),
        ([failed(), status("waiting", reason="back_off", occurred_at=NOW + seconds(1))], "in progress again"),
        ([failed(reason="outcome_unknown")], "outcome unknown: it may have been sent"),
        ([failed(reason="opted_out", suppressed=True)], "opted out"),
        ([failed(replayable=False)], "permanent"),
        ([failed(suppressed=True)], "permanent"),
    ],
)
def test_what_must_not_go_out_again_says_why(records: list[object], why: str) -> None:
    assert only(*records) == (ReplayVerdict.NEVER, why)
    assert only(*reversed(records)) == (ReplayVerdict.NEVER, why)


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ([revocation()], ReplayVerdict.NEVER),
        ([revocation(program_scope("alerts"))], ReplayVerdict.NEVER),
        ([revocation(program_scope("news"))], ReplayVerdict.SEND),
        ([revocation(), revocation(revoked=False, after_s=1)], ReplayVerdict.SEND),
        ([revocation(revoked=False), revocation(after_s=1)], ReplayVerdict.NEVER),
    ],
)
def test_who_said_stop_meanwhile_is_left_alone(said: list[Revocation], verdict: ReplayVerdict) -> None:
    assert only(failed(program="alerts"), *said)[0] is verdict


def test_the_attempt_that_failed_was_itself_once_accepted_or_waiting() -> None:
    """An undelivered message has a sent event, and what expired had waited: neither contradicts its failure."""
    before = status("waiting", reason="back_off", occurred_at=NOW - seconds(1))
    assert only(sent(attempt=1), before, failed(), status("undelivered", final=True)) == (ReplayVerdict.SEND, "")


def test_the_latest_failure_of_a_message_counts_once() -> None:
    (entry,) = entries(failed(), failed(attempt=2, reason="expired"), failed())
    assert (entry.reason, entry.verdict) == ("expired", ReplayVerdict.SEND)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"reasons": frozenset({"unreachable"})}, ["unreachable"]),
        ({"reasons": frozenset({"undecodable"})}, ["undecodable"]),
        ({"tenant": "acme"}, ["unreachable"]),
        ({"campaign": "autumn"}, []),
        ({"since": NOW + seconds(1)}, []),
        ({"until": NOW}, []),
        ({}, ["unreachable", "undecodable"]),
    ],
)
def test_filters_choose_by_reason_time_tenant_and_campaign(filters: dict[str, Any], expected: list[str]) -> None:
    chosen = Filters(**{"since": NOW - timedelta(days=1), **filters})
    assert [entry.reason for entry in entries(failed(), letter(), filters=chosen)] == expected


def test_a_dead_letter_goes_back_to_the_topic_it_came_from() -> None:
    (entry,) = entries(letter(topic="sms-callbacks"))
    assert (entry.verdict, entry.target) == (ReplayVerdict.PUT_BACK, "sms-callbacks")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"value": None}, "its bytes were not stored"),
        ({"topic": "sms-elsewhere"}, "its topic is unknown"),
        ({"topic": "sms-callbacks", "stage": "ingester"}, "a webhook from which no record could be made"),
        ({"topic": "sms-dispatch-urgent"}, "a dispatch; its message is settled by the person stage"),
    ],
)
def test_a_dead_letter_that_cannot_go_back_says_why(changes: dict[str, Any], why: str) -> None:
    assert only(letter(**changes)) == (ReplayVerdict.NEVER, why)


def test_a_dead_letter_goes_back_once_over_all_plans() -> None:
    (entry,) = entries(letter(), put_back=frozenset({"sms-requests-dlq/1/2"}))
    assert (entry.verdict, entry.why) == (ReplayVerdict.NEVER, "put back before")


def test_a_plan_counts_by_reason_and_verdict() -> None:
    facts = ReplayFacts()
    for number in range(3):
        place = RecordLocation("sms-failed", 0, number)
        facts.add(place, failed(message_id=f"m{number}", replayable=number > 0))
    made = plan_replay("p1", facts, EVERYTHING, NOW)
    assert made.counts() == {
        ("unreachable", ReplayVerdict.SEND, ""): 2,
        ("unreachable", ReplayVerdict.NEVER, "permanent"): 1,
    }
    assert len(made.to_put_back()) == 2
