"""Registration at a real registry, opt-in: SCHEMA_REGISTRY names one nobody else needs; its level becomes BACKWARD.

Any that speaks Confluent's interface, for instance that of docker-compose.yml (`docker compose up -d schema-registry`,
http://127.0.0.1:8081) or Apicurio's (http://127.0.0.1:8080/apis/ccompat/v7).
"""

from __future__ import annotations

import json
import os
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from fastavro import parse_schema
from fastavro.schema import to_parsing_canonical_form

from connectors.kafka import schema_registry
from connectors.kafka.errors import IncompatibleSchema
from connectors.kafka.schema_registry import SchemaRegistry
from schemas.avro_schemas import AvroFile, avro_files
from schemas.codec import Codec
from schemas.errors import DecodeError
from schemas.records import ConsentChange
from schemas.topics import REGISTRY, SMS_CONSENT, SMS_INBOUND, Topic
from tests.builders import consent_change

URL = os.environ.get("SCHEMA_REGISTRY", "")
pytestmark = pytest.mark.skipif(not URL, reason="SCHEMA_REGISTRY names no registry")
FILES = {file.name: file for file in avro_files()}


def asked(path: str, method: str = "GET", **content: object) -> Any:
    body = json.dumps(content).encode() if content else None
    headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    with urllib.request.urlopen(urllib.request.Request(URL + path, body, headers, method=method)) as answer:
        return json.load(answer)


@pytest.fixture
def registry() -> Iterator[SchemaRegistry]:
    with closing(SchemaRegistry(URL)) as opened:
        yield opened


@pytest.fixture
def prefix() -> Iterator[str]:
    """Before every topic's name, so that its subject is new."""
    asked("/config", "PUT", compatibility="BACKWARD")
    made = uuid.uuid4().hex[:8]
    yield made
    for subject in asked("/subjects"):
        if subject.startswith(made):
            asked(f"/subjects/{subject}", "DELETE")


def named(prefix: str, *topics: Topic) -> Sequence[Topic]:
    return [replace(topic, name=f"{prefix}-{topic.name}") for topic in topics]


def canonical(text: str) -> str:
    """A registry may write the same schema in other words: a namespace that is inherited anyway, another order."""
    return str(to_parsing_canonical_form(parse_schema(json.loads(text))))


def ship(monkeypatch: pytest.MonkeyPatch, **field: object) -> AvroFile:
    """Make this release carry a consent change with one more field."""
    old = FILES["ConsentChange"]
    schema = json.loads(old.text)
    schema["fields"].append(field)
    new = replace(old, version=old.version + 1, text=json.dumps(schema))
    files = tuple(new if file.name == old.name else file for file in avro_files())
    monkeypatch.setattr(schema_registry, "avro_files", lambda: files)
    return new


def test_every_topic_gets_a_subject_and_every_id_names_its_schema(registry: SchemaRegistry, prefix: str) -> None:
    topics = named(prefix, *REGISTRY)
    ids = registry.register(topics)
    assert set(asked("/subjects")) >= {f"{topic.name}-value" for topic in topics}
    for name, number in ids.items():
        assert canonical(asked(f"/schemas/ids/{number}")["schema"]) == canonical(FILES[name].text)


def test_a_second_start_registers_nothing_new(registry: SchemaRegistry, prefix: str) -> None:
    first = registry.register(named(prefix, *REGISTRY))
    assert registry.register(named(prefix, *REGISTRY)) == first
    assert asked(f"/subjects/{prefix}-sms-sent-value/versions") == [1]


def test_what_would_not_read_the_old_records_is_refused_before_anything_is_registered(
    registry: SchemaRegistry, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.register(named(prefix, SMS_CONSENT))
    ship(monkeypatch, name="extra", type="string")
    with pytest.raises(IncompatibleSchema, match=r"sms-consent-value: ConsentChange version 2(?s:.*)a default"):
        registry.register(named(prefix, SMS_INBOUND, SMS_CONSENT))
    assert [subject for subject in asked("/subjects") if subject.startswith(prefix)] == [f"{prefix}-sms-consent-value"]
    assert asked(f"/subjects/{prefix}-sms-consent-value/versions") == [1]


def test_a_record_of_the_next_release_is_read_by_this_one(
    registry: SchemaRegistry, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its id is looked up at the registry; the field that only it knows is left out."""
    topics, change = named(prefix, SMS_CONSENT), consent_change()
    codec = Codec(registry.register(topics), registry.find)
    assert codec.decode(ConsentChange, codec.encode(change)) == change
    with monkeypatch.context() as later:
        ship(later, name="extra", type="string", default="")
        number = registry.register(topics)["ConsentChange"]
    raw = b"\x00" + number.to_bytes(4, "big") + codec.encode(change)[5:] + b"\x02x"
    assert codec.decode(ConsentChange, raw) == change
    with pytest.raises(DecodeError, match="unknown_schema_id"):
        codec.decode(ConsentChange, b"\x00" + (2_000_000_000).to_bytes(4, "big") + raw[5:])


def test_what_was_written_before_there_was_a_registry_is_still_read(registry: SchemaRegistry, prefix: str) -> None:
    codec = Codec(registry.register(named(prefix, SMS_CONSENT)), registry.find)
    assert codec.decode(ConsentChange, Codec().encode(consent_change())) == consent_change()
