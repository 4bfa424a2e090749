"""The ingester when something is wrong around it: the broker, the disk, too much load, or the process itself."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from connectors.clock import ManualClock
from connectors.memory import MemoryPublisher
from connectors.twilio.errors import SettingError
from connectors.twilio.webhooks.ingester import Ingester
from connectors.twilio.webhooks.signature import signature
from schemas.codec import Codec
from schemas.records import TwilioCallback
from tests.builders import NOW, PERSON, seconds
from tests.connectors.twilio.webhooks.test_event_streams import event
from tests.connectors.twilio.webhooks.test_ingester import PUBLIC, STATUS, STATUS_PATH, TOKEN, Site, settings


@asynccontextmanager
async def running(publisher: MemoryPublisher, clock: ManualClock | None = None, **changes: Any) -> AsyncIterator[Site]:
    clock = clock or ManualClock(NOW)
    app = Ingester(settings(retry_s=0.005, **changes), publisher, Codec(), clock)
    async with app.serving("127.0.0.1", 0) as port:
        site = Site(publisher, clock, url=f"http://127.0.0.1:{port}")
        async with site.http:
            yield site


def callback(n: int) -> list[tuple[str, str]]:
    return [("MessageSid", f"SM{n}"), ("MessageStatus", "sent"), ("To", PERSON), ("From", "+15005550006")]


async def figure(site: Site, name: str) -> float:
    _, text = await site.get("/metrics")
    (line,) = [line for line in text.splitlines() if line.startswith(f"smsflow_{name} ")]
    return float(line.split()[1])


async def until_drained(site: Site) -> None:
    async with asyncio.timeout(5):
        while (await site.get("/ready"))[1] != "ready\n":  # noqa: ASYNC110  readiness is asked for, as a balancer does
            await asyncio.sleep(0.001)


def kept(publisher: MemoryPublisher) -> list[str]:
    return [Codec().decode(TwilioCallback, wire.value).message_sid for wire in publisher.on("sms-callbacks")]


async def test_without_its_broker_it_takes_webhooks_all_the_same(tmp_path: Path) -> None:
    publisher, clock = MemoryPublisher(), ManualClock(NOW)
    publisher.available = False
    async with running(publisher, clock, spool_path=tmp_path / "spool.db") as site:
        statuses = [(await site.post(STATUS_PATH, callback(n)))[0] for n in range(5)]
        clock.advance(timedelta(minutes=10))
        ready = await site.get("/ready")
        watched = [await figure(site, name) for name in ("spool_records", "spool_oldest_age_seconds")]
        publisher.available = True
        await until_drained(site)
        drained = [await figure(site, name) for name in ("spool_drained_total", "spool_oldest_age_seconds")]

    assert statuses == [204] * 5
    assert ready == (200, "degraded: 5 records wait in the spool for the broker\n")
    assert (watched, drained) == ([5, 600], [5, 0])
    assert kept(publisher) == [f"SM{n}" for n in range(5)]


async def test_the_next_ingester_publishes_what_the_last_one_kept(tmp_path: Path) -> None:
    publisher = MemoryPublisher()
    publisher.available = False
    for n in range(3):
        async with running(publisher, spool_path=tmp_path / "spool.db") as site:
            assert (await site.post(STATUS_PATH, callback(n)))[0] == 204
    publisher.available = True
    async with running(publisher, spool_path=tmp_path / "spool.db") as site:
        await until_drained(site)

    assert kept(publisher) == ["SM0", "SM1", "SM2"]


async def test_when_neither_broker_nor_disk_takes_it_twilio_keeps_it(tmp_path: Path) -> None:
    publisher, clock = MemoryPublisher(), ManualClock(NOW)
    publisher.available = False
    big = ("Filler", "x" * 40_000)
    room = {"spool_path": tmp_path / "spool.db", "spool_max_bytes": 200_000, "max_bytes": 65_536}
    async with running(publisher, clock, **room) as site:
        statuses = [(await site.post(STATUS_PATH, [*callback(n), big]))[0] for n in range(10)]
        assert await site.get("/ready") == (503, "the spool is full or broken\n")
        assert await figure(site, "spool_refused_total") == statuses.count(503)
        publisher.available = True
        clock.advance(seconds(6))
        await until_drained(site)
        again = [(await site.post(STATUS_PATH, [*callback(n), big]))[0] for n in range(10)]

    taken = statuses.count(204)
    assert 1 < taken < 10
    assert statuses == [204] * taken + [503] * (10 - taken)
    assert again == [204] * 10
    assert kept(publisher) == [f"SM{n}" for n in range(10)]


async def test_more_per_second_than_allowed_is_left_with_twilio() -> None:
    publisher, clock = MemoryPublisher(), ManualClock(NOW)
    async with running(publisher, clock, max_rate=3.0) as site:
        statuses = [(await site.post(STATUS_PATH, callback(n)))[0] for n in range(5)]
        clock.advance(seconds(1))
        statuses.append((await site.post(STATUS_PATH, callback(3)))[0])
        _, text = await site.get("/metrics")

    assert statuses == [204, 204, 204, 503, 503, 204]
    assert 'smsflow_webhook_shed_total{reason="too many per second"} 2.0' in text


async def test_a_webhook_signed_with_a_shared_key_is_genuine() -> None:
    publisher = MemoryPublisher()
    async with running(publisher, shared_keys={"key1": "shared"}) as site:
        signed = {
            "X-Twilio-Signature": signature("shared", PUBLIC + STATUS_PATH, STATUS, "HMAC_SHA256"),
            "X-Twilio-Webhooks-Signature-Settings": "key=key1,algorithm=HMAC_SHA256",
        }
        assert (await site.post(STATUS_PATH, STATUS, **signed))[0] == 204
        other = signed | {"X-Twilio-Webhooks-Signature-Settings": "key=key2,algorithm=HMAC_SHA256"}
        assert (await site.post(STATUS_PATH, STATUS, **other))[0] == 403


async def post_json(site: Site, path: str, body: bytes, token: str = TOKEN) -> int:
    path += ("&" if "?" in path else "?") + "bodySHA256=" + sha256(body).hexdigest()
    signed = {"X-Twilio-Signature": signature(token, PUBLIC + path, ()), "Content-Type": "application/json"}
    return (await site.raw(path, body, signed))[0]


async def test_a_callback_in_json_says_the_same() -> None:
    publisher = MemoryPublisher()
    async with running(publisher) as site:
        assert await post_json(site, STATUS_PATH, json.dumps(dict(STATUS)).encode()) == 204
        assert (await site.post(STATUS_PATH, STATUS))[0] == 204

    by_json, by_form = (Codec().decode(TwilioCallback, wire.value) for wire in publisher.records)
    assert by_json == by_form


async def test_a_batch_of_events_is_on_the_topic_before_it_is_answered() -> None:
    publisher = MemoryPublisher()
    body = json.dumps([event("sent"), {"type": "com.twilio.other"}, event("delivered")]).encode()
    async with running(publisher) as site:
        assert await post_json(site, "/twilio/events", body) == 204
        assert await post_json(site, "/twilio/events", body, token="forged") == 403
        assert await post_json(site, "/twilio/events", b"[]") == 204
        assert await post_json(site, "/twilio/events", b"{") == 400
        publisher.available = False
        assert await post_json(site, "/twilio/events", body.replace(b"SM1", b"SM2")) == 503

    records = [Codec().decode(TwilioCallback, wire.value) for wire in publisher.on("sms-callbacks")]
    assert [(record.status, record.attempt_id) for record in records] == [
        ("sent", "order 7/1"),
        ("delivered", "order 7/1"),
    ]


def self_signed(folder: Path) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    of = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run([*new, "-keyout", str(key), "-out", str(cert), *of], check=True, capture_output=True)
    return cert, key


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
async def test_it_speaks_https_itself_if_told_so(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    app = Ingester(settings(tls_cert=cert, tls_key=key), MemoryPublisher(), Codec(), ManualClock(NOW))
    trusting = ssl.create_default_context(cafile=str(cert))
    async with (
        app.serving("127.0.0.1", 0) as port,
        aiohttp.ClientSession() as http,
        http.get(f"https://127.0.0.1:{port}/health", ssl=trusting) as response,
    ):
        assert await response.text() == "ok\n"


def test_tls_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="tls_cert"):
        Ingester(settings(tls_cert=tmp_path / "none.pem"), MemoryPublisher(), Codec(), ManualClock(NOW))
