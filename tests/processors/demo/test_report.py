"""The demo's verdict: made from the ledger, not from what the pipeline says of itself."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from processors.demo.load import people, plan_load, request, sample_texts
from processors.demo.report import Accepted, Billed, DemoReport, accepted, build_report
from processors.demo.tally import Tally
from schemas.enums import MessageClass
from schemas.records import Failed, Revocation, Sent, StatusChanged
from tests.builders import NOW, PERSON, seconds
from tests.builders import request as send_request


def tally(*message_ids: str) -> Tally:
    return Tally(requested=dict.fromkeys(message_ids, NOW))


def sent(message_id: str = "m1", attempt: int = 1, waited_ms: int = 20) -> Sent:
    return Sent(
        event_id="e", message_id=message_id, attempt=attempt, sid=f"SM{message_id}", person=PERSON, country="US",
        sender="+12025550100", number_type="10dlc", tenant="acme", message_class=MessageClass.OTP, encoding="GSM-7",
        segments=2, estimated_cost=Decimal("0.0128"), currency="USD", requested_at=NOW,
        called_at=NOW + seconds(waited_ms / 1000), occurred_at=NOW,
    )  # fmt: skip


def status(message_id: str, name: str, reason: str | None = None) -> StatusChanged:
    return StatusChanged(
        event_id="e", message_id=message_id, attempt=1, person=PERSON, tenant="acme", status=name, final=False,
        reason=reason, occurred_at=NOW,
    )  # fmt: skip


def failed(message_id: str, reason: str, *, suppressed: bool = False) -> Failed:
    return Failed(
        event_id="e", message_id=message_id, attempt=0, person=PERSON, tenant="acme", message_class=MessageClass.OTP,
        reason=reason, detail="", suppressed=suppressed, replayable=False, request=send_request(), requested_at=NOW,
        occurred_at=NOW,
    )  # fmt: skip


def consent(*, revoked: bool) -> Revocation:
    return Revocation(person=PERSON, scope="all", revoked=revoked, source_id="s", occurred_at=NOW)


def in_ledger(message_id: str | None = "m1", at: datetime = NOW, status: str = "delivered", **changes: Any) -> Accepted:
    return Accepted(
        **{"message_id": message_id, "person": PERSON, "at": at, "status": status, "price": None, **changes}
    )


def judged(heard: Tally, *ledger: Accepted, billed: str = "0") -> DemoReport:
    return build_report(heard, ledger, Billed(Decimal(0), Decimal(billed), "USD"))


def test_a_run_that_kept_its_promises() -> None:
    heard = tally("m1", "m2")
    for record in (sent("m1"), status("m1", "delivered"), failed("m2", "opted_out", suppressed=True)):
        heard.add(record, NOW)
    found = judged(heard, in_ledger(price=Decimal("-0.01280")), billed="0.012800")
    assert found.as_json() == {
        "requested": 2,
        "sent": 1,
        "delivered": 1,
        "failed": {},
        "suppressed": {"opted_out": 1},
        "duplicates": 0,
        "lost": 0,
        "sent_after_stop": 0,
        "segments": 2,
        "cost": {"estimated": "0", "billed": "0.012800", "ledger": "0.012800", "currency": "USD"},
        "latency_ms": {"p50": 20, "p99": 20},
        "messages_per_second": 0.0,
    }
    assert found.broken == ()


def test_two_texts_for_one_request_are_a_duplicate() -> None:
    heard = tally("m1")
    heard.add(status("m1", "delivered"), NOW)
    found = judged(heard, in_ledger(), in_ledger(), in_ledger(status="undelivered"))
    assert found.duplicates == 2
    assert found.broken == ("never twice: 2 texts too many",)


def test_what_never_left_twilio_may_be_tried_again() -> None:
    heard = tally("m1")
    heard.add(status("m1", "delivered"), NOW)
    assert judged(heard, in_ledger(status="failed"), in_ledger()).duplicates == 0


@pytest.mark.parametrize(
    ("record", "lost"),
    [
        (status("m1", "delivered"), 0),
        (failed("m1", "unreachable"), 0),
        (status("m1", "no_final_status"), 0),
        (status("m1", "waiting", "back_off"), 0),
        (status("m1", "sent"), 1),
        (sent("m1"), 1),
        (status("another", "delivered"), 1),
    ],
)
def test_a_request_is_lost_unless_it_ended_or_waits_for_a_named_reason(record: object, lost: int) -> None:
    heard = tally("m1")
    heard.add(record, NOW)
    assert judged(heard).lost == lost


@pytest.mark.parametrize(
    ("after", "count"), [(-1.0, 0), (0.9, 0), (1.1, 1), (9.9, 1), (10.1, 0)], ids=lambda value: f"{value}"
)
def test_a_text_after_stop_counts_from_a_second_after_the_record_until_start(after: float, count: int) -> None:
    heard = tally("m1")
    heard.add(status("m1", "delivered"), NOW)
    heard.add(consent(revoked=True), NOW)
    heard.add(consent(revoked=True), NOW + seconds(5))
    heard.add(consent(revoked=False), NOW + seconds(10))
    assert judged(heard, in_ledger(at=NOW + seconds(after))).sent_after_stop == count
    assert heard.revoked(PERSON) is False


def test_sums_that_differ_in_the_last_digit_break_a_promise() -> None:
    heard = tally("m1")
    heard.add(status("m1", "delivered"), NOW)
    found = judged(heard, in_ledger(price=Decimal("-0.01280")), billed="0.012801")
    assert found.broken == ("cost: ClickHouse has 0.012801, the ledger 0.01280",)


def test_a_message_nobody_requested_breaks_a_promise() -> None:
    found = judged(tally(), in_ledger(None), in_ledger("other"))
    assert found.broken == ("the ledger has 2 messages nobody requested",)


def test_a_delivery_outweighs_an_earlier_failure() -> None:
    heard = tally("m1")
    heard.add(failed("m1", "unreachable"), NOW)
    heard.add(status("m1", "delivered"), NOW)
    found = judged(heard, in_ledger())
    assert (found.delivered, found.failed) == (1, {})


def test_latency_is_of_the_first_call_and_the_pace_of_all() -> None:
    heard = tally("m1", "m2", "m3")
    for number, waited in enumerate((10, 30, 500), start=1):
        heard.add(sent(f"m{number}", waited_ms=waited), NOW)
        heard.add(status(f"m{number}", "delivered"), NOW)
    heard.add(sent("m1", attempt=2, waited_ms=9000), NOW)
    found = judged(heard, *(in_ledger(f"m{number}", at=NOW + seconds(number)) for number in (1, 2, 3)))
    assert found.latency_ms == {"p50": 30, "p99": 500}
    assert found.messages_per_second == 1.0


def test_the_ledger_is_read_by_the_attempt_in_its_callback() -> None:
    row = {
        "kind": "api", "callback_url": "http://h/twilio/status?attempt_id=run/7/2#rc=5", "to": PERSON,
        "accepted_at": NOW.isoformat(), "status": "delivered", "price": "-0.00830",
    }  # fmt: skip
    assert accepted([row, {**row, "kind": "confirmation"}]) == [in_ledger("run/7", price=Decimal("-0.00830"))]


def test_people_of_a_demo_do_not_exist_and_are_many() -> None:
    numbers = people()
    assert len(set(numbers)) == len(numbers) > 5_574
    assert all(number[5:].startswith("55501") or number.startswith("+447700900") for number in numbers)


def test_everybody_gets_a_text_before_anybody_gets_a_second() -> None:
    assert len({to for to, _ in plan_load(sample_texts(None), 5_574)}) == 5_574
    assert len(plan_load(sample_texts(None), 10_000)) == 10_000


def test_a_demo_has_several_tenants_campaigns_and_classes() -> None:
    made = [request("run", number, PERSON, "x", NOW) for number in range(10)]
    assert len({one.message_id for one in made}) == 10
    assert {one.message_class for one in made} == set(MessageClass)
    assert (len({one.tenant for one in made}), len({one.campaign for one in made})) == (3, 5)


def test_the_sample_and_the_whole_collection_are_read_alike(tmp_path: Any) -> None:
    file = tmp_path / "texts.tsv"
    file.write_text("ham\tHello there\nspam\tWin\tbig\n\njust a line\n", "utf-8")
    assert sample_texts(file) == ["Hello there", "Win\tbig", "just a line"]
    assert len(sample_texts(None)) == 300
