"""The judge finds what it is there to find: a proof by a blind judge would be none."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from schemas.enums import Action, ConsentState, MessageClass, Outcome
from schemas.records import AttemptResult, Failed, Price, Revocation, Sent, StatusChanged
from schemas.states import AttemptPhase, AttemptState, ConsentRecord, ConsentScope, MessageState, Phase, SenderAttempt
from tests.builders import NOW, NUMBER, PERSON, callback, dispatch, request, result, seconds
from tests.crash.checker import check
from tests.crash.history import BatchHistory, CheckResult, timeline
from tests.crash.load import Batch
from tests.crash.records import ReadRecord
from tests.crash.stores import Stored, read_stored

SID = "SM" + "1" * 32
BATCH = Batch("b", (request(),), (), (), ())


def seen(record: Any, at: datetime = NOW) -> ReadRecord:
    return ReadRecord(type(record).__name__, 0, 0, at, record)


def sent(**changes: Any) -> Sent:
    fields: dict[str, Any] = {
        "event_id": "m1/1/sent",
        "message_id": "m1",
        "attempt": 1,
        "sid": SID,
        "person": PERSON,
        "country": "US",
        "sender": NUMBER,
        "number_type": "10dlc",
        "tenant": "default",
        "message_class": MessageClass.TRANSACTIONAL,
        "encoding": "GSM-7",
        "segments": 1,
        "estimated_cost": Decimal("0.01"),
        "currency": "USD",
        "requested_at": NOW,
        "occurred_at": NOW,
    }
    return Sent(**fields | changes)


def status(word: str, *, final: bool = False, **changes: Any) -> StatusChanged:
    fields: dict[str, Any] = {
        "event_id": f"m1/1/{word}",
        "message_id": "m1",
        "attempt": 1,
        "sid": SID,
        "person": PERSON,
        "tenant": "default",
        "status": word,
        "final": final,
        "occurred_at": NOW,
    }
    return StatusChanged(**fields | changes)


def failed(reason: str, *, suppressed: bool = False) -> Failed:
    return Failed(
        event_id=f"m1/1/failed/{reason}",
        message_id="m1",
        attempt=1,
        person=PERSON,
        tenant="default",
        message_class=MessageClass.OTP,
        reason=reason,
        detail="",
        suppressed=suppressed,
        replayable=False,
        request=request(),
        requested_at=NOW,
        occurred_at=NOW,
    )


def price(amount: str = "0.01") -> Price:
    return Price(
        event_id="m1/1/price",
        message_id="m1",
        attempt=1,
        sid=SID,
        person=PERSON,
        tenant="default",
        price=Decimal(amount),
        currency="USD",
        occurred_at=NOW,
    )


def row(**changes: Any) -> dict[str, Any]:
    return {
        "sid": SID,
        "to": PERSON,
        "callback_url": "http://here/twilio/status?attempt_id=m1/1#rc=5",
        "accepted_at": NOW.isoformat(),
        "statuses": [{"status": "queued", "at": NOW.isoformat()}],
        "status": "delivered",
        "final": True,
        "price": "-0.01",
        **changes,
    }


def state(**changes: Any) -> MessageState:
    attempt = AttemptState(
        attempt=1, sender=NUMBER, issued_at=NOW, outcome=Outcome.ACCEPTED, sid=SID, price=Decimal("0.01")
    )
    fields: dict[str, Any] = {
        "message_id": "m1",
        "phase": Phase.FINISHED,
        "request": request(),
        "request_hash": "",
        "deadline": NOW,
        "attempts": [attempt],
        "status": "delivered",
        "updated_at": NOW,
    }
    return MessageState(**fields | changes)


WELL = (seen(sent()), seen(status("delivered", final=True)), seen(price()))


def history(*records: ReadRecord, rows: tuple[dict[str, Any], ...] = (row(),), **changes: Any) -> BatchHistory:
    told = BatchHistory(
        batch=BATCH,
        records={"m1": records},
        revocations=(),
        dead_letters=frozenset(),
        rows=rows,
        states={"m1": state() if rows else state(status=None, attempts=[])},
        consents={},
        heard_from=frozenset(),
        intents={},
    )
    return replace(told, **changes)


def kinds(checked: CheckResult) -> list[str]:
    return [problem.kind for problem in checked.problems]


def test_a_message_that_went_well_is_at_rest() -> None:
    checked = check(history(*WELL))

    assert (checked.at_rest, checked.accepted, checked.settled_s) == (True, 1, ())


def test_two_rows_of_one_message_are_a_duplicate_whatever_their_attempts() -> None:
    second = row(sid="SM2", callback_url="http://here/twilio/status?attempt_id=m1/2")

    assert "duplicate" in kinds(check(history(*WELL, rows=(row(), second))))


def test_silence_is_a_loss_and_so_is_an_accepted_message_without_its_end() -> None:
    assert kinds(check(history(rows=()))) == ["lost"]
    assert "lost" in kinds(check(history(seen(sent()), seen(price()))))


def test_waiting_under_a_name_is_no_loss() -> None:
    checked = check(history(seen(status("waiting", reason="send_at")), rows=()))

    assert (checked.problems, checked.waiting) == ((), {"m1": "send_at"})


def test_a_text_after_the_revocation_breaks_the_promise_and_one_within_its_second_does_not() -> None:
    said = seen(Revocation(person=PERSON, scope="all", revoked=True, source_id="x", occurred_at=NOW))
    late, just = row(accepted_at=(NOW + seconds(2)).isoformat()), row(accepted_at=(NOW + seconds(1)).isoformat())

    assert kinds(check(history(*WELL, rows=(late,), revocations=(said,)))) == ["after_stop"]
    assert kinds(check(history(*WELL, rows=(just,), revocations=(said,)))) == []


def test_a_call_made_in_time_may_be_accepted_a_little_later() -> None:
    said = seen(Revocation(person=PERSON, scope="all", revoked=True, source_id="x", occurred_at=NOW))
    called, slow = seen(result(called_at=NOW)), row(accepted_at=(NOW + seconds(3)).isoformat())

    assert kinds(check(history(*WELL, called, rows=(slow,), revocations=(said,)))) == []
    much_later = row(accepted_at=(NOW + seconds(5)).isoformat())
    assert kinds(check(history(*WELL, called, rows=(much_later,), revocations=(said,)))) == ["after_stop"]


def test_an_event_id_with_two_contents_is_a_contradiction_and_a_repetition_is_not() -> None:
    again = seen(sent(occurred_at=NOW + seconds(1)))

    assert kinds(check(history(*WELL, *WELL))) == []
    assert kinds(check(history(*WELL, again))) == ["contradiction"]


def test_events_that_differ_from_the_ledger_are_named() -> None:
    assert kinds(check(history(*WELL, rows=()))) == ["disagreement"]
    assert kinds(check(history(*WELL[1:]))) == ["disagreement"]
    bad = state(status="undelivered")
    assert kinds(check(history(*WELL, rows=(row(status="undelivered"),), states={"m1": bad}))) == ["disagreement"]
    dear = state(attempts=[structs.replace(state().attempts[0], price=Decimal("0.02"))])
    assert kinds(check(history(*WELL, rows=(row(price="-0.02"),), states={"m1": dear}))) == ["disagreement"]


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (None, "no state"),
        (state(phase=Phase.ACCEPTED), "its state is accepted"),
        (state(status="sent"), "the state's status is sent"),
        (state(attempts=[]), "the state knows []"),
        (state(attempts=[structs.replace(state().attempts[0], price=None)]), "the state's prices"),
    ],
)
def test_a_table_that_keeps_anything_else_than_the_ledger_is_named(kept: MessageState | None, said: str) -> None:
    """An older state written late would stand there, and be what the next owner recovers."""
    checked = check(history(*WELL, states={} if kept is None else {"m1": kept}))

    assert set(kinds(checked)) == {"disagreement"}
    assert said in checked.problems[0].text


def test_a_person_who_said_stop_is_opted_out_in_the_table() -> None:
    said_no = ConsentScope(scope="all", state=ConsentState.OPTED_OUT, channel="sms", source_id="SM9", occurred_at=NOW)
    batch = replace(BATCH, texted_stop=(PERSON,))
    kept = {PERSON: ConsentRecord(person=PERSON, history=[said_no])}

    assert kinds(check(history(*WELL, batch=batch, heard_from={PERSON}))) == ["disagreement"]
    assert kinds(check(history(*WELL, batch=batch, heard_from={PERSON}, consents=kept))) == []
    noted = replace(BATCH, opted_out=(PERSON,))
    assert kinds(check(history(*WELL, batch=noted))) == ["disagreement"], "an operator's word is on a topic"


def test_the_list_is_not_asked_before_the_call_must_be_over() -> None:
    """The intent's life, and then the call's own time-out: until then its message may still appear."""
    intent = SenderAttempt(
        attempt_id="m1/1", phase=AttemptPhase.INTENT, intent_at=NOW, intent_until=NOW + seconds(2), delete_after=NOW
    )
    early, late = (
        seen(result(action=Action.LOOK_UP, outcome=Outcome.ABSENT, sid=None, answered_at=NOW + seconds(after)))
        for after in (3.9, 4)
    )

    assert kinds(check(history(*WELL, late, intents={"m1/1": [intent]}))) == []
    assert kinds(check(history(*WELL, early, intents={"m1/1": [intent]}))) == ["contradiction"]


def test_a_stop_that_died_at_the_door_is_counted_and_nobodys_fault() -> None:
    checked = check(history(*WELL, batch=replace(BATCH, texted_stop=(PERSON,))))

    assert (checked.problems, checked.lost_stops) == ((), 1)


IN_CLICKHOUSE = Stored(
    frozenset({"m1/1/sent", "m1/1/delivered", "m1/1/price"}), frozenset({SID}), frozenset({Decimal("0.01")})
)


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (None, "does not answer"),
        (replace(IN_CLICKHOUSE, event_ids=IN_CLICKHOUSE.event_ids - {"m1/1/delivered"}), "lacks ['m1/1/delivered']"),
        (replace(IN_CLICKHOUSE, event_ids=IN_CLICKHOUSE.event_ids | {"x"}), "has ['x'] too much"),
        (replace(IN_CLICKHOUSE, sids=frozenset()), "counts [] as sent"),
        (replace(IN_CLICKHOUSE, prices=frozenset({Decimal("0.02")})), "has the prices"),
    ],
)
def test_clickhouse_is_held_against_topics_and_ledger(stored: Stored | None, said: str) -> None:
    asked = {} if stored is None else {"m1": stored}

    assert check(history(*WELL, stored={"m1": IN_CLICKHOUSE})).at_rest
    checked = check(history(*WELL, stored=asked))
    assert kinds(checked) == ["disagreement"]
    assert said in checked.problems[0].text


def test_a_report_of_the_sink_is_read() -> None:
    columns = ["event_id", "kind", "sid", "amount"]
    rows = [
        ["m1/1/sent", "sent", SID, "0.01"],
        ["m1/1/delivered", "status", SID, "0"],
        ["m1/1/price", "price", SID, "-0.010"],
    ]

    assert read_stored({"columns": columns, "rows": rows}) == IN_CLICKHOUSE


def test_a_text_that_nothing_tells_from_another_in_doubt_is_no_disagreement_and_is_counted() -> None:
    """Both were asked for, one was accepted, and no callback came: to call either sent would be a guess."""
    other = structs.replace(request(), message_id="m2")
    unknown = seen(result(outcome=Outcome.UNKNOWN, sid=None))
    found = seen(result(action=Action.LOOK_UP, sid=SID), NOW + seconds(9))
    end = seen(failed("outcome_unknown"))
    rival = (
        seen(dispatch(message_id="m2", attempt_id="m2/1")),
        seen(structs.replace(end.record, message_id="m2", event_id="m2/1/failed")),
    )
    given_up = state(status=None, attempts=[structs.replace(state().attempts[0], sid=None, price=None)])
    doubtful = history(
        batch=replace(BATCH, requests=(request(), other)),
        records={"m1": (unknown, found, end), "m2": rival},
        states={"m1": given_up, "m2": structs.replace(given_up, message_id="m2")},
    )

    checked = check(doubtful)

    assert (checked.problems, checked.ambiguous) == ((), frozenset({"m1"}))
    settled = seen(result(message_id="m2", attempt_id="m2/1", outcome=Outcome.REJECTED, sid=None), NOW + seconds(8))
    alone = replace(doubtful, records={**doubtful.records, "m2": (*rival, settled)})
    assert "disagreement" in kinds(check(alone)), "nobody else's it can be"
    called_back = seen(callback(message_sid=SID, attempt_id="m1/1"))
    told = replace(doubtful, records={**doubtful.records, "m1": (unknown, found, called_back, end)})
    assert "disagreement" in kinds(check(told)), "the callback says whose it is"


def test_garbage_that_is_in_no_dead_letter_is_lost() -> None:
    batch = replace(BATCH, garbage=(b"?",))

    assert kinds(check(history(*WELL, batch=batch))) == ["lost"]
    assert kinds(check(history(*WELL, batch=batch, dead_letters=frozenset({b"?"})))) == []


def test_an_unknown_attempt_is_timed_until_it_is_known_or_given_up() -> None:
    unknown = seen(result(outcome=Outcome.UNKNOWN))
    known: AttemptResult = result()

    assert check(history(*WELL, unknown, seen(known, NOW + seconds(7)))).settled_s == (0.0,)
    assert check(history(unknown, seen(known, NOW + seconds(7)))).settled_s == (7.0,)
    assert check(history(unknown)).settled_s == (None,)
    assert check(history(unknown)).settled_in_time == 0


def test_a_suppressed_message_counts_as_such() -> None:
    refused = failed("opted_out", suppressed=True)
    checked = check(history(seen(refused), rows=()))

    assert (checked.at_rest, checked.suppressed) == (True, 1)


def test_the_history_shows_records_ledger_and_deaths_in_their_order() -> None:
    told = [(NOW + seconds(1), "sender died"), (NOW + seconds(999), "much later")]
    lines = timeline("m1", history(seen(sent(), NOW + seconds(2))), told).splitlines()

    assert [line.split()[1] for line in lines] == ["ledger", "***", "Sent/0@0"]
