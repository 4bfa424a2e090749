"""Every topic read with Apache's own Avro library, given the files of `schemas/` and nothing else of ours."""

from __future__ import annotations

import io
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import avro.io
import avro.schema
import pytest

import schemas
from schemas.topics import (
    PUBLIC,
    REGISTRY,
    SMS_ATTEMPTS,
    SMS_CALLBACKS,
    SMS_INBOUND,
    SMS_LIST_ENTRIES,
    SMS_REQUESTS,
    SMS_REVOCATIONS,
)
from tests.integration.fixtures import SHORT_CODE, person, request
from tests.integration.machine import Machine, until

pytestmark = pytest.mark.kafka
FOLDER = Path(schemas.__file__).parent
MAGIC, ID_BYTES = b"\x00", 4
BOUGHT, REFUSED, STOPPED = person(200), person(201), person(202)


Known = dict[int, avro.schema.Schema]


def by_id() -> Known:
    """Wire id → schema, as the two kinds of file say it."""
    ids = json.loads((FOLDER / "ids.json").read_text("utf-8"))
    files = {number: FOLDER / "avro" / f"{stem}.avsc" for stem, number in ids.items()}
    return {number: avro.schema.parse(file.read_text("utf-8")) for number, file in files.items()}


def read(known: Known, value: bytes) -> tuple[str, dict[str, Any]]:
    """The record's name and fields; not a byte may be left over."""
    assert value[:1] == MAGIC
    schema = known[int.from_bytes(value[1 : 1 + ID_BYTES])]
    body = io.BytesIO(value[1 + ID_BYTES :])
    fields = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(body))
    assert not body.read()
    assert isinstance(schema, avro.schema.RecordSchema)
    assert isinstance(fields, dict)
    return schema.name, fields


def test_an_independent_avro_library_reads_every_topic(machine: Machine) -> None:
    machine.control("outcomes", to=BOUGHT, status="delivered")
    machine.ask(request("bought", BOUGHT, tags={"order": "17"}), request("refused", REFUSED, body=""))
    machine.text(STOPPED, SHORT_CODE, "STOP")
    machine.produce(SMS_REQUESTS.name, b"no avro at all", b"other-tools")
    until(lambda: found(machine, "sms-price", "bought"), "the message is priced")
    until(lambda: found(machine, "sms-failed", "refused"), "the message is refused")
    until(lambda: found(machine, "sms-requests-dlq", None), "the garbage is buried")
    until(lambda: found(machine, "sms-revocations", None), "the STOP is known")

    [row] = machine.ledger(BOUGHT)
    [sent] = found(machine, "sms-sent", "bought")
    assert (sent["sid"], sent["person"], sent["segments"], sent["tags"]) == (row["sid"], BOUGHT, 1, {"order": "17"})
    assert isinstance(sent["occurred_at"], datetime)
    assert sent["occurred_at"].utcoffset() is not None
    assert [status["status"] for status in found(machine, "sms-status", "bought")] == ["sent", "delivered"]
    [price] = found(machine, "sms-price", "bought")
    assert (price["price"], price["currency"]) == (-Decimal(row["price"]), row["price_unit"])
    [failed] = found(machine, "sms-failed", "refused")
    assert (failed["reason"], failed["request"]["to"], failed["replayable"]) == ("empty_message", REFUSED, False)
    assert b"no avro at all" in [letter["value"] for letter in found(machine, "sms-requests-dlq", None)]
    every_record_names_its_topics_schema(machine)


def every_record_names_its_topics_schema(machine: Machine) -> None:
    """Whatever the system has said so far, on every topic that says anything."""
    known, seen = by_id(), set()
    for topic in REGISTRY:
        garbage = topic is SMS_REQUESTS  # upstream's bytes, some of which are meant to be unreadable
        for record in () if garbage else machine.reads(topic.name):
            assert record.value is not None
            name, _ = read(known, record.value)
            assert name == topic.record.__name__
            seen.add(topic.name)
    between = (SMS_INBOUND, SMS_ATTEMPTS, SMS_CALLBACKS, SMS_LIST_ENTRIES, SMS_REVOCATIONS)
    assert seen >= {topic.name for topic in (*PUBLIC, *between)}


def found(machine: Machine, topic: str, message_id: str | None) -> list[dict[str, Any]]:
    """A topic's records about one message, or all of them."""
    known = by_id()
    records = [read(known, record.value or b"")[1] for record in machine.reads(topic)]
    return [record for record in records if message_id in (None, record.get("message_id"))]
