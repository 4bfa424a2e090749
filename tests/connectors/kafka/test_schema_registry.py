"""Registration by confluent-kafka's own client.

These tests speak to a stand-in of its REST interface (registry_server.py); test_real_registry.py speaks to a real one,
where one is named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from connectors.kafka import schema_registry
from connectors.kafka.errors import IncompatibleSchema, SchemaRegistryError
from connectors.kafka.schema_registry import SchemaRegistry, registered_codec
from schemas.avro_schemas import AvroFile, avro_files
from schemas.errors import DecodeError
from schemas.records import ConsentChange, DeadLetter, Dispatch
from schemas.topics import DEAD_LETTERS, REGISTRY, SMS_CONSENT, SMS_DISPATCH_BULK, SMS_DISPATCH_URGENT
from tests.builders import consent_change
from tests.connectors.kafka.registry_server import RegistryServer, serving

FILES = {file.name: file for file in avro_files()}


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with serving() as registry:
        yield registry


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_registry, "_CLIENT", {"timeout": 5, "max.retries": 0})


def changed(file: AvroFile, **field: object) -> AvroFile:
    """The file's next version, with one more field."""
    schema = json.loads(file.text)
    schema["fields"].append(field)
    return replace(file, version=file.version + 1, text=json.dumps(schema))


def test_every_topic_gets_a_subject_and_every_record_one_id(server: RegistryServer) -> None:
    ids = SchemaRegistry(server.url).register()
    assert set(server.subjects) == {f"{topic.name}-value" for topic in REGISTRY}
    assert set(ids) == {topic.record.__name__ for topic in REGISTRY}
    assert server.ids == {FILES[name].text: number for name, number in ids.items()}


def test_one_record_on_many_topics_has_one_id(server: RegistryServer) -> None:
    ids = SchemaRegistry(server.url).register([SMS_DISPATCH_BULK, SMS_DISPATCH_URGENT, *DEAD_LETTERS])
    assert set(ids) == {Dispatch.__name__, DeadLetter.__name__}
    assert len(server.ids) == 2


def test_a_second_start_changes_nothing(server: RegistryServer) -> None:
    first = SchemaRegistry(server.url).register()
    assert SchemaRegistry(server.url).register() == first
    assert all(len(versions) == 1 for versions in server.subjects.values())


def test_a_new_field_with_a_default_is_registered_as_a_new_version(
    server: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = SchemaRegistry(server.url).register([SMS_CONSENT])
    _ship(monkeypatch, changed(FILES["ConsentChange"], name="extra", type="string", default=""))

    after = SchemaRegistry(server.url).register([SMS_CONSENT])

    assert len(server.subjects["sms-consent-value"]) == 2
    assert after["ConsentChange"] != before["ConsentChange"]


def test_an_incompatible_schema_is_refused_before_anything_is_registered(
    server: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    SchemaRegistry(server.url).register([SMS_CONSENT])
    _ship(monkeypatch, changed(FILES["ConsentChange"], name="extra", type="string"))

    with pytest.raises(IncompatibleSchema, match=r"sms-consent-value: ConsentChange version 2(?s:.*)a default"):
        SchemaRegistry(server.url).register()

    assert set(server.subjects) == {"sms-consent-value"}
    assert len(server.subjects["sms-consent-value"]) == 1


def test_a_conflict_at_registration_is_the_same_error(server: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another release registered in between."""
    SchemaRegistry(server.url).register([SMS_CONSENT])
    _ship(monkeypatch, changed(FILES["ConsentChange"], name="extra", type="string"))
    monkeypatch.setattr(SchemaRegistry, "_problem", lambda *_: None)
    with pytest.raises(IncompatibleSchema, match="sms-consent-value"):
        SchemaRegistry(server.url).register([SMS_CONSENT])


def test_the_codec_writes_the_registrys_ids_and_reads_another_releases(server: RegistryServer) -> None:
    codec = registered_codec(server.url)
    change = consent_change()
    raw = codec.encode(change)
    assert int.from_bytes(raw[1:5], "big") == server.ids[FILES["ConsentChange"].text]
    assert codec.decode(ConsentChange, raw) == change

    later = changed(FILES["ConsentChange"], name="extra", type="string", default="")
    server.ids[later.text] = 77
    body = raw[5:] + b"\x02x"
    assert codec.decode(ConsentChange, b"\x00" + (77).to_bytes(4, "big") + body) == change


def test_an_unknown_id_is_asked_for_once_and_is_the_records_fault(server: RegistryServer) -> None:
    codec = registered_codec(server.url, [SMS_CONSENT])
    for _ in range(3):
        with pytest.raises(DecodeError, match="unknown_schema_id"):
            codec.decode(ConsentChange, b"\x00" + (1_000_000).to_bytes(4, "big") + b"rest")
    assert server.asked.count("/schemas/ids/1000000") == 1


def test_a_registry_that_fails_or_is_away_is_named(server: RegistryServer) -> None:
    server.broken = True
    with pytest.raises(SchemaRegistryError, match=rf"Schema Registry {server.url}: sms-.*data store"):
        SchemaRegistry(server.url).register()
    with pytest.raises(SchemaRegistryError, match=r"Schema Registry 127\.0\.0\.1:1: "):
        SchemaRegistry("http://user:secret@127.0.0.1:1").register()
    with pytest.raises(SchemaRegistryError, match="Invalid url"):
        SchemaRegistry("no-url")


def test_a_password_in_the_address_is_not_said() -> None:
    with pytest.raises(SchemaRegistryError) as caught:
        SchemaRegistry("http://user:secret@127.0.0.1:1").register()
    assert "secret" not in str(caught.value)


def _ship(monkeypatch: pytest.MonkeyPatch, file: AvroFile) -> None:
    """Make this release carry another schema."""
    files = tuple(file if old.name == file.name else old for old in avro_files())
    monkeypatch.setattr(schema_registry, "avro_files", lambda: files)
