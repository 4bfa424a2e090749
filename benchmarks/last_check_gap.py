"""How long after the last check do the bytes of a call leave? The one moment in which a STOP or a freeze is not seen.

    python benchmarks/last_check_gap.py --calls 10000

The real sender and transport call the simulator (a process of its own) through a relay (another one), which asks the
kernel when each packet arrived: on loopback that is when it was written, whatever the relay's own process does
meanwhile. From there the moment at which `last_check` returned None is subtracted; both are the machine's real-time
clock. With asyncio's loop and with uvloop (the workers'), idle and with both cores busy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import socket
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
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from connectors.clock import SystemClock
from connectors.simulator.settings import ACCOUNT_SID, AUTH_TOKEN
from connectors.twilio.account import TwilioAccount
from connectors.twilio.sender import TwilioSender
from schemas.records import AttemptResult, Dispatch, Lane

_SO_TIMESTAMPNS = 35  # <asm-generic/socket.h>; the answer is a struct timespec
_TIMESPEC = struct.Struct("@qq")
_ATTEMPT = re.compile(rb"attempt_id%3D([\w-]+)%2F1")
SENDERS = tuple(f"+120255501{number:02d}" for number in range(4))


# -- the relay's process ----------------------------------------------------------------------------------------------


def relay(port: int, twin_port: int, stamps: Path) -> None:
    """Carry every connection on to the twin, and note when the kernel had each create request."""
    server = socket.create_server(("127.0.0.1", port), backlog=256)
    with stamps.open("w", buffering=1) as out:
        while True:
            client, _ = server.accept()
            client.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            twin = socket.create_connection(("127.0.0.1", twin_port))
            threading.Thread(target=_there, args=(client, twin, out), daemon=True).start()
            threading.Thread(target=_back, args=(twin, client), daemon=True).start()


def _there(client: socket.socket, twin: socket.socket, out: object) -> None:
    while True:
        more, ancillary, _, _ = client.recvmsg(1 << 16, 256)
        if not more:
            twin.close()
            return
        seconds, nanoseconds = _TIMESPEC.unpack(
            next(value for level, kind, value in ancillary if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS))
        )
        twin.sendall(more)
        if (found := _ATTEMPT.search(more)) is not None:
            print(found[1].decode(), seconds * 1_000_000_000 + nanoseconds, file=out)  # type: ignore[call-overload]


def _back(twin: socket.socket, client: socket.socket) -> None:
    try:
        while more := twin.recv(1 << 16):
            client.sendall(more)
    except OSError:
        pass  # the client is through
    client.close()


# -- the calls --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting:
    """One measurement."""

    loop: str
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
            message_id = f"{setting.loop}-{int(setting.busy)}-{number}"

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
def served(folder: Path) -> Iterator[tuple[str, Path]]:
    """The twin and the relay before it: the relay's address, and the file with its stamps."""
    twin_port, relay_port, stamps = _free_port(), _free_port(), folder / "stamps"
    environ = {**os.environ, "SMSFLOW_SIMULATOR_PORT": str(twin_port), "SMSFLOW_DATA_DIR": str(folder)}
    environ["SMSFLOW_TWILIO_PUBLIC_URL"] = "http://127.0.0.1:9"
    commands = (
        [sys.executable, "-m", "processors.cli", "simulator"],
        [sys.executable, __file__, "--relay", json.dumps([relay_port, twin_port, str(stamps)])],
    )
    log = (folder / "log").open("wb")
    running = [subprocess.Popen(command, env=environ, stdout=log, stderr=log) for command in commands]
    try:
        for port in (twin_port, relay_port):
            _await_port(port)
        yield f"http://127.0.0.1:{relay_port}", stamps
    finally:
        for process in running:
            process.kill()
            process.wait()
        log.close()


def measure(setting: Setting) -> list[float]:
    """The gaps in microseconds, sorted."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (base_url, stamps):
        factory = uvloop.new_event_loop if setting.loop == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner, burning(2 * setting.busy):
            checked = runner.run(call_all(setting, base_url))
        left = {name: int(at) for name, at in (line.split() for line in stamps.read_text().splitlines())}
    assert left.keys() == checked.keys(), f"{len(left)} of {len(checked)} calls were seen"
    return sorted((left[name] - checked[name]) / 1000 for name in checked)


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
    parser.add_argument("--relay", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.relay:
        port, twin_port, stamps = json.loads(given.relay)
        relay(port, twin_port, Path(stamps))
    print(f"microseconds from the last check to the wire, {given.calls} calls, {given.at_once} at once")
    for loop in ("asyncio", "uvloop"):
        for busy in (False, True):
            gaps = measure(Setting(loop, busy, given.calls, given.at_once))
            p50, p99, p999 = (gaps[int(len(gaps) * share)] for share in (0.5, 0.99, 0.999))
            load = "busy" if busy else "idle"
            print(
                f"{loop:8} {load}  p50 {p50:8.0f}  p99 {p99:8.0f}  p99.9 {p999:8.0f}  max {gaps[-1]:8.0f}", flush=True
            )


if __name__ == "__main__":
    main()
