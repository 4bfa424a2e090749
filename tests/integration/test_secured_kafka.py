"""A Kafka that is not open to everybody: every client of ours gets in, and says which setting keeps it out."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.kafka import admin, topic_reader
from connectors.kafka.admin import KafkaAdmin
from connectors.kafka.cluster import Cluster
from connectors.kafka.compacted_topic import CompactedTopic
from connectors.kafka.consumer import GroupConsumer
from connectors.kafka.errors import AdminError, KafkaConnectorError
from connectors.kafka.producer import KafkaPublisher
from connectors.kafka.topic_reader import read_all
from schemas.codec import EncodedRecord
from schemas.topics import SMS_REVOCATIONS
from tests.integration.fixtures import person
from tests.integration.machine import Machine, until
from tests.integration.secured_kafka import KEY_PASSWORD, PASSWORD, USER, Secured, secured_kafka

pytestmark = pytest.mark.kafka
PATIENCE_S = 3.0
"""How long a client that is kept out tries."""


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_kafka(tmp_path_factory.mktemp("bank") / "secured") as running:
        yield running


def by_certificate(bank: Secured) -> Cluster:
    files = {name: bank.folder / file for name, file in _FILES.items()}
    return Cluster(bootstrap=bank.tls, protocol="SSL", key_password=KEY_PASSWORD, **files)  # type: ignore[arg-type]


def by_password(bank: Secured) -> Cluster:
    return Cluster(bootstrap=bank.word, protocol="SASL_PLAINTEXT", mechanism="PLAIN", username=USER, password=PASSWORD)


def by_challenge(bank: Secured) -> Cluster:
    ca_file = bank.folder / "ca.pem"
    return replace(
        by_password(bank), bootstrap=bank.both, protocol="SASL_SSL", mechanism="SCRAM-SHA-512", ca_file=ca_file
    )


_FILES = {"ca_file": "ca.pem", "cert_file": "client.pem", "key_file": "client.key"}


@pytest.mark.parametrize("enter", [by_certificate, by_password, by_challenge])
def test_every_client_of_ours_gets_in(bank: Secured, enter: Callable[[Secured], Cluster]) -> None:
    """The one of the topics, the publisher, both readers, and the copy of the revocations."""
    cluster = enter(bank)
    topic = replace(SMS_REVOCATIONS, name=f"smsflow-entered-{enter.__name__}")
    KafkaAdmin(cluster).apply([topic], 1)
    assert asyncio.run(published_and_copied(cluster, topic.name)) == b"said"
    assert [record.value for record in read_all(cluster, [topic.name])] == [b"said"]
    with GroupConsumer(cluster, topic.name, [topic.name]) as member:
        [record] = until(lambda: member.poll_batch(1, timeout=1), "the group's reader has it")
        assert record.value == b"said"


async def published_and_copied(cluster: Cluster, topic: str) -> bytes | None:
    await KafkaPublisher(cluster).publish([EncodedRecord(topic, b"key", b"said")])
    copy = CompactedTopic(cluster, topic, time.monotonic)
    await copy.start()
    try:
        async with asyncio.timeout(30):
            await copy.caught_up.wait()
    finally:
        await copy.stop()
    return copy.get(b"key")


def ask(cluster: Cluster) -> None:
    KafkaAdmin(cluster).partition_counts()


def read(cluster: Cluster) -> None:
    next(read_all(cluster, ["sms-sent"]))


def publish(cluster: Cluster) -> None:
    asyncio.run(
        KafkaPublisher(cluster, delivery_timeout_ms=int(PATIENCE_S * 1000)).publish(
            [EncodedRecord("sms-sent", b"", b"")]
        )
    )


@pytest.mark.parametrize(
    ("use", "wrong", "says"),
    [
        (ask, {"password": "guessed"}, r"Authentication failed.*check kafka\.username, kafka\.password"),
        (read, {"ca_file": None}, r"certificate verify failed.*check kafka\.ca_file"),
        (publish, {"username": "stranger"}, r"Authentication failed.*check kafka\.username, kafka\.password"),
    ],
)
def test_whoever_is_kept_out_is_told_which_setting_to_check(
    bank: Secured,
    use: Callable[[Cluster], None],
    wrong: dict[str, Any],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (admin, topic_reader):
        monkeypatch.setattr(module, "TIMEOUT", PATIENCE_S)
    with pytest.raises(KafkaConnectorError, match=says):
        use(replace(by_challenge(bank), **wrong))


def test_nobody_has_more_than_the_documented_rights(bank: Secured) -> None:
    """So that what runs below runs on them."""
    with pytest.raises(AdminError, match="somebody-elses: Authorization failed"):
        KafkaAdmin(by_challenge(bank)).apply([replace(SMS_REVOCATIONS, name="somebody-elses")], 1)


@pytest.mark.parametrize("enter", [by_challenge, pytest.param(by_certificate, marks=pytest.mark.slow)])
def test_the_whole_system_runs_on_it(bank: Secured, enter: Callable[[Secured], Cluster], tmp_path: Path) -> None:
    """Both workers, the ingester, the sink and the commands, by settings alone; the password is shown nowhere."""
    to = person(600)
    with Machine(tmp_path / "data", as_settings(enter(bank))) as machine:
        machine.control("outcomes", to=to, status="delivered")
        message_id = machine.smsflow("send", "--to", to, "--body", "through TLS").strip()
        steps = until(lambda: delivered(machine, message_id), "it is delivered")
        assert {"SendRequest", "Dispatch", "AttemptResult", "Sent", "TwilioCallback"} <= {one["kind"] for one in steps}
        until(lambda: '"delivered": 1' in machine.smsflow("report", "summary", "--json"), "the sink has it")
        assert machine.end(signal.SIGTERM) == 0
        assert not machine.processes()
        for secret in (PASSWORD, KEY_PASSWORD):
            assert secret not in machine.said() + "".join(log.read_text() for log in (tmp_path / "data/logs").iterdir())


def delivered(machine: Machine, message_id: str) -> list[dict[str, Any]]:
    steps = machine.lines("trace", message_id)
    return steps if any(step["record"].get("status") == "delivered" for step in steps) else []


def as_settings(cluster: Cluster) -> dict[str, str]:
    entry = {
        "SECURITY_PROTOCOL": cluster.protocol,
        "SASL_MECHANISM": cluster.mechanism,
        "USERNAME": cluster.username,
        "PASSWORD": cluster.password,
        "CA_FILE": cluster.ca_file,
        "CERT_FILE": cluster.cert_file,
        "KEY_FILE": cluster.key_file,
        "KEY_PASSWORD": cluster.key_password,
    }
    given = {f"SMSFLOW_KAFKA_{name}": str(value) for name, value in entry.items() if value is not None}
    return {"SMSFLOW_SIMULATOR_QUICK": "true", "SMSFLOW_BROKER": cluster.bootstrap, **given}
