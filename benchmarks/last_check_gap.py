"""How long after the last check do the bytes of a call leave? The one moment in which a STOP or a freeze is not seen.

    python benchmarks/last_check_gap.py --calls 10000

The real sender and transport call the simulator (a process of its own) through a relay (another one), which speaks
TLS as Twilio does and asks the kernel when each packet arrived: on loopback that is when it was written, whatever the
relay's own process does meanwhile. From there the moment at which `last_check` returned None is subtracted; both are
the machine's real-time clock. With asyncio's loop and with uvloop (the workers'), without and with TLS, idle and with
both cores busy. Needs the openssl command, for the relay's certificate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from connectors.clock import SystemClock
from connectors.simulator.model.settings import ACCOUNT_SID, AUTH_TOKEN
from connectors.twilio.api.account import TwilioAccount
from connectors.twilio.api.sender import TwilioSender
from schemas.enums import Lane
from schemas.records import AttemptResult, Dispatch

_SO_TIMESTAMPNS = 35  # <asm-generic/socket.h>; the answer is a struct timespec
_CERTIFICATE = "LAST_CHECK_GAP_CERTIFICATE"
_TIMESPEC = struct.Struct("@qq")
_ATTEMPT = re.compile(rb"attempt_id%3D([\w-]+)%2F1")
SENDERS = tuple(f"+120255501{number:02d}" for number in range(4))


# -- the relay's process ----------------------------------------------------------------------------------------------


class Relay:
    """Carries every connection on to the simulator, and notes when the kernel had each create request."""

    def __init__(self, simulator_port: int, stamps: Path, certificate: str) -> None:
        self._simulator_port = simulator_port
        self._out = stamps.open("w", buffering=1)
        self._tls: ssl.SSLContext | None = None
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)

    def serve(self, port: int) -> None:
        """Until killed."""
        server = socket.create_server(("127.0.0.1", port), backlog=256)
        server.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)  # a client inherits it: its first packet may be there
        while True:
            client, _ = server.accept()
            simulator = socket.create_connection(("127.0.0.1", self._simulator_port))
            wire = Wire(client, self._tls)
            threading.Thread(target=self._there, args=(wire, simulator), daemon=True).start()
            threading.Thread(target=_back, args=(simulator, wire), daemon=True).start()

    def _there(self, wire: Wire, simulator: socket.socket) -> None:
        for more, at in wire.heard():
            simulator.sendall(more)
            if (found := _ATTEMPT.search(more)) is not None:
                print(found[1].decode(), at, file=self._out)
        simulator.close()


class Wire:
    """One client: its bytes, deciphered, with the kernel's time of their last packet in nanoseconds."""

    def __init__(self, client: socket.socket, tls: ssl.SSLContext | None) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = tls.wrap_bio(self._incoming, self._outgoing, server_side=True) if tls is not None else None
        self._shaken = tls is None

    def heard(self) -> Iterator[tuple[bytes, int]]:
        while True:
            more, ancillary, _, _ = self._client.recvmsg(1 << 16, 256)
            if not more:
                return
            stamps = [
                value for level, kind, value in ancillary if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS)
            ]
            seconds, nanoseconds = _TIMESPEC.unpack(stamps[0])
            if plain := self._deciphered(more):
                yield plain, seconds * 1_000_000_000 + nanoseconds

    def say(self, plain: bytes) -> None:
        with self._lock:
            if self._tls is None:
                self._client.sendall(plain)
                return
            self._tls.write(plain)
            self._client.sendall(self._outgoing.read())

    def close(self) -> None:
        self._client.close()

    def _deciphered(self, more: bytes) -> bytes:
        if self._tls is None:
            return more
        with self._lock:
            self._incoming.write(more)
            plain = b""
            try:
                if not self._shaken:
                    self._tls.do_handshake()
                    self._shaken = True
                while part := self._tls.read(1 << 16):
                    plain += part
            except ssl.SSLWantReadError:
                pass  # the rest is still on its way
            self._client.sendall(self._outgoing.read())
            return plain


def _back(simulator: socket.socket, wire: Wire) -> None:
    try:
        while more := simulator.recv(1 << 16):
            wire.say(more)
    except OSError:
        pass  # the client is through
    wire.close()


# -- the calls --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting:
    """One measurement."""

    loop: str
    tls: bool
    busy: bool
    calls: int
    at_once: int


async def call_all(setting: Setting, base_url: str) -> dict[str, int]:
    """Message → when its last check passed, in nanoseconds of the real-time clock."""
    account = TwilioAccount(
        account_sid=ACCOUNT_SID,
        user=ACCOUNT_SID,
        secret=AUTH_TOKEN,
        public_url="http://127.0.0.1:9",
        base_url=base_url,
        connections=setting.at_once,
        timeout=120,  # it is the calls' beginnings that are measured
        connect_timeout=120,
    )
    transport = account.transport()
    sender = TwilioSender(account, transport, SystemClock())
    checked: dict[str, int] = {}
    numbers = iter(range(setting.calls))

    async def one_after_the_other() -> None:
        for number in numbers:
            message_id = f"m-{number}"

            def last_check(message_id: str = message_id) -> None:
                checked[message_id] = time.time_ns()

            answer: AttemptResult = await sender.send(_dispatch(message_id, number), last_check)
            assert answer.sid, answer

    try:
        await asyncio.gather(*(one_after_the_other() for _ in range(setting.at_once)))
    finally:
        await transport.close()
    return checked


def _dispatch(message_id: str, number: int) -> Dispatch:
    now = datetime.now(UTC)
    return Dispatch(
        attempt_id=f"{message_id}/1",
        message_id=message_id,
        attempt=1,
        lane=Lane.NORMAL,
        sender=SENDERS[number % len(SENDERS)],
        person=f"+1415555{number % 100:04d}",
        tenant="bench",
        body="Your parcel is here",
        segments=1,
        deadline=now + timedelta(hours=1),
        issued_at=now,
    )


# -- both cores busy --------------------------------------------------------------------------------------------------


@contextmanager
def burning(processes: int) -> Iterator[None]:
    """So many processes that do nothing but count."""
    burners = [multiprocessing.get_context("spawn").Process(target=_burn, daemon=True) for _ in range(processes)]
    for burner in burners:
        burner.start()
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.join()


def _burn() -> None:
    while True:
        pass


# -- one measurement after the other ----------------------------------------------------------------------------------


@contextmanager
def served(folder: Path, certificate: str) -> Iterator[tuple[str, Path]]:
    """The simulator and the relay before it: the relay's address, and the file with its stamps."""
    simulator_port, relay_port, stamps = _free_port(), _free_port(), folder / "stamps"
    environ = {**os.environ, "SMSFLOW_SIMULATOR_PORT": str(simulator_port), "SMSFLOW_DATA_DIR": str(folder)}
    environ["SMSFLOW_TWILIO_PUBLIC_URL"] = "http://127.0.0.1:9"
    commands = (
        [sys.executable, "-m", "processors.cli", "simulator"],
        [sys.executable, __file__, "--relay", json.dumps([relay_port, simulator_port, str(stamps), certificate])],
    )
    log = (folder / "log").open("wb")
    running = [subprocess.Popen(command, env=environ, stdout=log, stderr=log) for command in commands]
    try:
        for port in (simulator_port, relay_port):
            _await_port(port)
        yield f"http{'s' if certificate else ''}://localhost:{relay_port}", stamps
    finally:
        for process in running:
            process.kill()
            process.wait()
        log.close()


def measure(setting: Setting) -> list[float]:
    """The gaps in microseconds, sorted."""
    certificate = os.environ[_CERTIFICATE] if setting.tls else ""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), certificate) as (base_url, stamps):
        factory = uvloop.new_event_loop if setting.loop == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner, burning(2 * setting.busy):
            checked = runner.run(call_all(setting, base_url))
        left = {name: int(at) for name, at in (line.split() for line in stamps.read_text().splitlines())}
    assert left.keys() == checked.keys(), f"{len(left)} of {len(checked)} calls were seen"
    return sorted((left[name] - checked[name]) / 1000 for name in checked)


def trusting(arguments: Sequence[str]) -> int:
    """Run this script again, with a certificate for localhost that it trusts: aiohttp reads them when it is loaded."""
    with tempfile.TemporaryDirectory() as folder:
        key, cert, both = (Path(folder) / name for name in ("key", "cert", "both"))
        new = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ]
        named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        subprocess.run([*new, *named, "-keyout", key, "-out", cert], check=True, capture_output=True)
        both.write_bytes(key.read_bytes() + cert.read_bytes())
        environ = {**os.environ, "SSL_CERT_FILE": str(cert), _CERTIFICATE: str(both)}
        return subprocess.run([sys.executable, __file__, *arguments], env=environ, check=False).returncode


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _await_port(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line for each setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--loops", nargs="+", choices=("asyncio", "uvloop"), default=["asyncio", "uvloop"])
    parser.add_argument("--relay", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.relay:
        port, simulator_port, stamps, certificate = json.loads(given.relay)
        Relay(simulator_port, Path(stamps), certificate).serve(port)
    if _CERTIFICATE not in os.environ:
        sys.exit(trusting(sys.argv[1:]))
    print(f"microseconds from the last check to the wire, {given.calls} calls, {given.at_once} at once")
    for loop, tls, busy in product(given.loops, (False, True), (False, True)):
        gaps = measure(Setting(loop, tls, busy, given.calls, given.at_once))
        shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
        told = "  ".join(f"{name} {gaps[int(len(gaps) * share)]:7.0f}" for name, share in shares.items())
        how = f"{loop:8}{'TLS' if tls else 'plain':6}{'busy' if busy else 'idle'}"
        print(f"{how}  {told}  max {gaps[-1]:7.0f}", flush=True)


if __name__ == "__main__":
    main()
