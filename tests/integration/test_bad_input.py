"""Bad input to the running system: where each goes, and the clear error it gets. The stream goes on behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from confluent_kafka import Producer

from connectors.kafka.records import ConsumedRecord as Read
from connectors.twilio.urls import INBOUND_PATH, STATUS_PATH
from processors.person.agent import REPARTITIONED
from processors.streaming.partitioner import partition_of
from schemas.records import SendRequest
from schemas.topics import SMS_CALLBACKS, SMS_INBOUND, SMS_REQUESTS, SMS_STATUS
from tests.integration.fixtures import DESK, person, request
from tests.integration.machine import CODEC, Machine, until

pytestmark = pytest.mark.kafka
FORGED, STRANGER, CHATTY = person(100), person(101), person(102)


def status_form(to: str, status: str = "delivered") -> dict[str, str]:
    return {"MessageSid": "SM" + "e" * 32, "MessageStatus": status, "To": to, "From": DESK, "ErrorCode": ""}


def test_a_forged_webhook_is_refused_and_reaches_no_topic(machine: Machine) -> None:
    before = machine.answered("status", 403)
    status, says = machine.webhook(f"{STATUS_PATH}?attempt_id=forged/1", status_form(FORGED), token="6" * 32)
    assert (status, says.strip()) == (403, "no secret of ours signs this request for this URL")
    assert machine.answered("status", 403) == before + 1
    assert not [read for read in machine.reads(SMS_CALLBACKS.name) if read.key == FORGED.encode()]


def test_a_replayed_webhook_is_answered_and_counts_once(machine: Machine) -> None:
    """What somebody recorded on its way is genuine; said again it changes nothing."""
    form = {"MessageSid": "SM" + "d" * 32, "From": CHATTY, "To": DESK, "Body": "is this you?"}
    answers = {machine.webhook(INBOUND_PATH, form) for _ in range(3)}
    assert {status for status, _ in answers} == {200}
    assert len(answers) == 1
    assert [said.body for said in machine.records(SMS_INBOUND) if said.person == CHATTY] == ["is this you?"]


def test_a_status_recorded_and_replayed_later_changes_nothing(machine: Machine) -> None:
    """The ingester remembers; and a status in another envelope, which it cannot know, is the same status."""
    machine.control("outcomes", to=STRANGER, status="delivered")
    machine.ask(request("replayed-webhook", STRANGER))
    machine.became("replayed-webhook", "delivered")
    [row] = machine.ledger(STRANGER)
    form = status_form(STRANGER) | {"MessageSid": row["sid"]}
    target = f"{STATUS_PATH}?attempt_id=replayed-webhook/1"
    assert machine.webhook(target, form) == (204, "")
    assert machine.webhook(target, form) == (204, "")
    late = form | {"MessageStatus": "sent", "RawDlrDoneDate": "2611241200"}
    assert machine.webhook(target, late) == (204, "")
    handled(machine, STRANGER)

    callbacks = [said for said in machine.records(SMS_CALLBACKS) if said.attempt_id == "replayed-webhook/1"]
    assert len(callbacks) == 4  # two of the simulator's, and once each of the two that were posted here
    events = [event for event in machine.records(SMS_STATUS) if event.message_id == "replayed-webhook"]
    assert [event.status for event in events] == ["sent", "delivered"]


@pytest.mark.parametrize(
    ("form", "status", "says"),
    [
        ({"MessageStatus": "sent", "To": STRANGER}, 400, "field MessageSid is missing or blank"),
        ({"MessageSid": "SM" + "c" * 32, "MessageStatus": "", "To": STRANGER}, 400, "field MessageStatus is missing"),
        ({"MessageSid": "SM" + "c" * 32, "MessageStatus": "sent"}, 400, "field To is missing or blank"),
        (b"\xff\xfe", 400, "no form: 'utf-8' codec can't decode"),
    ],
)
def test_a_malformed_webhook_is_refused_with_the_field(
    machine: Machine, form: dict[str, str] | bytes, status: int, says: str
) -> None:
    before = len(machine.reads(SMS_CALLBACKS.name))
    answered = machine.webhook(f"{STATUS_PATH}?attempt_id=malformed/1", form)
    assert answered[0] == status
    assert says in answered[1]
    assert len(machine.reads(SMS_CALLBACKS.name)) == before


@pytest.mark.parametrize(
    ("name", "bad", "reason", "detail"),
    [
        ("bad-number", {"to": "2125550123"}, "not_e164", "to: '2125550123': no leading + and country code; give E.164"),
        ("short-number", {"to": "+4477009"}, "impossible_number", "to: +4477009: too short, the area code is missing"),
        ("empty-body", {"body": ""}, "empty_message", "body: empty; give body, content_sid or media_urls"),
        ("no-sender", {"sender": "+12025550199"}, "unknown_sender", "sender: sender '+12025550199': not one of +12"),
        ("no-pool", {"sender_pool": "spring"}, "unknown_sender", "sender_pool: sender pool 'spring': not one of de"),
    ],
)
def test_a_request_that_cannot_be_sent_fails_with_the_field_and_the_fix(
    machine: Machine, name: str, bad: dict[str, Any], reason: str, detail: str
) -> None:
    asked = request(name, **{"to": person(120), **bad})
    machine.ask(asked)
    failed = machine.failed(name)
    assert (failed.reason, failed.attempt) == (reason, 0)
    assert failed.detail.startswith(detail)
    assert failed.request == asked
    assert not machine.ledger(asked.to)


GOOD = CODEC.encode(request("good", person(141)))
BURIED = {
    "not_avro": b"garbage \xff",
    "unknown_schema_id": b"\x00\x00\x01\x02\x03" + GOOD[5:],
    "wrong_record": b"\x00" + (1008).to_bytes(4) + GOOD[5:],
    "trailing_bytes": GOOD + b"!",
    "undecodable": GOOD[:-1],
    "empty": b"",
}


@pytest.mark.parametrize("reason", BURIED)
def test_bytes_nobody_can_read_are_buried_with_reason_and_origin_and_the_stream_goes_on(
    machine: Machine, reason: str
) -> None:
    key, value, to = f"nobody-{reason}".encode(), BURIED[reason], person(140)
    place = partition_of(to.encode(), machine.told.partitions)
    machine.produce(SMS_REQUESTS.name, value, key, place)
    machine.ask(request(f"after-{reason}", to))
    machine.became(f"after-{reason}", "sent")

    [letter] = [letter for letter in machine.letters(SMS_REQUESTS) if letter.key == key]
    [origin] = [read for read in machine.reads(SMS_REQUESTS.name) if read.key == key]
    assert (letter.topic, letter.partition, letter.offset) == (SMS_REQUESTS.name, place, origin.offset)
    assert (letter.reason, letter.stage, letter.value) == (reason, "person", value)
    assert letter.detail


def test_an_operator_reads_what_is_buried_and_what_nobody_can_read(machine: Machine) -> None:
    """By `smsflow topics read`: the whole letter, and on the topic itself the bytes beside the others' records."""
    key, value = b"to-be-read", b"garbage"
    machine.produce(SMS_REQUESTS.name, value, key)
    until(lambda: key in {letter.key for letter in machine.letters(SMS_REQUESTS)}, "it is buried")

    [letter] = [row for row in machine.lines("topics", "read", "sms-requests-dlq") if row["record"]["key"] == key.hex()]
    [read] = [row for row in machine.lines("topics", "read", "sms-requests") if row["record"].get("key") == key.hex()]
    assert (letter["kind"], letter["record"]["reason"], letter["record"]["value"]) == (
        "DeadLetter",
        "not_avro",
        value.hex(),
    )
    assert (read["kind"], read["record"]["reason"], read["record"]["value"]) == ("Unreadable", "not_avro", value.hex())
    origin = [read[name] for name in ("topic", "partition", "offset")]
    assert [letter["record"][name] for name in ("topic", "partition", "offset")] == origin
    place = f"topic=sms-requests, partition={read['partition']}, offset={read['offset']}, reason=not_avro"
    assert place in machine.smsflow("topics", "read", "sms-requests-dlq")


def as_librdkafka_does(machine: Machine, asked: SendRequest) -> int:
    """Its default partitioner is ``consistent_random``: CRC32 of the key. Where it put the record."""
    landed: list[int] = []
    producer = Producer({"bootstrap.servers": machine.told.broker, "log_level": 0})
    value, key = CODEC.encode(asked), asked.to.encode()
    producer.produce(
        SMS_REQUESTS.name, value, key, on_delivery=lambda _, record: landed.append(cast(int, record.partition()))
    )
    assert producer.flush(30) == 0
    return landed[0]


def without_a_key(machine: Machine, asked: SendRequest) -> int:
    """Anywhere, then: here into the partition after the person's."""
    wrong = (partition_of(asked.to.encode(), machine.told.partitions) + 1) % machine.told.partitions
    machine.produce(SMS_REQUESTS.name, CODEC.encode(asked), None, wrong)
    return wrong


@pytest.mark.parametrize(
    ("publish", "people"), [(as_librdkafka_does, range(110, 120)), (without_a_key, range(130, 132))]
)
def test_a_request_in_another_clients_partition_is_handled_once_under_its_persons_key(
    machine: Machine, publish: Callable[[Machine, SendRequest], int], people: range
) -> None:
    asked = {f"astray-{number}": request(f"astray-{number}", person(number)) for number in people}
    landed = {one.to.encode(): publish(machine, one) for one in asked.values()}
    for message_id in asked:
        machine.became(message_id, "sent")

    home = {key: partition_of(key, machine.told.partitions) for key in landed}
    astray = {key: home[key] for key in landed if landed[key] != home[key]}
    assert astray
    assert sorted((read.key, read.partition) for read in repartitioned(machine, asked)) == sorted(astray.items())
    assert all(len(machine.ledger(one.to)) == 1 for one in asked.values())


def repartitioned(machine: Machine, asked: dict[str, SendRequest]) -> list[Read]:
    """The copies that the person stage published again under the right key."""
    reads = [read for read in machine.reads(SMS_REQUESTS.name) if REPARTITIONED in dict(read.headers)]
    return [read for read in reads if CODEC.decode(SendRequest, read.value).message_id in asked]


def handled(machine: Machine, to: str) -> None:
    """Everything of this person that was published so far: one more of theirs comes out behind it."""
    machine.ask(request(f"behind-{to}", to, body=""))
    until(lambda: machine.failed(f"behind-{to}"), "the stream comes to its end")
