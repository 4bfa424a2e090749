"""The usual sender, as tutorials and services have it, at its best.

`autoretry_for` with backoff repeats a call that failed; `acks_late` gives the task of a dead worker to the next one;
opt-outs are asked right before each call; what is given up or suppressed is reported.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, Task
from redis import Redis
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

VISIBILITY_S = 20
"""After so long the broker gives out again what a dead worker had. Longer than any call and any back-off here."""
OPTED_OUT, FAILED, SUPPRESSED = "opted-out", "failed", "suppressed"

app = Celery("naive", broker=os.environ.get("NAIVE_BROKER"))
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    broker_transport_options={"visibility_timeout": VISIBILITY_S},
    broker_connection_retry_on_startup=True,
)

store = Redis.from_url(os.environ.get("NAIVE_BROKER", "redis://"))
client = Client(
    os.environ.get("NAIVE_ACCOUNT", "AC"), os.environ.get("NAIVE_TOKEN", "-"), http_client=TwilioHttpClient(timeout=10)
)
client.api.base_url = os.environ.get("NAIVE_TWILIO", "")


class Reported(Task):  # type: ignore[misc]  # Celery is not typed
    """Nobody is left without a word: what is given up is noted."""

    def on_failure(self, exc: object, task_id: str, args: Any, kwargs: Any, einfo: object) -> None:  # noqa: ARG002
        store.sadd(FAILED, args[0])


@app.task(  # type: ignore[untyped-decorator]
    base=Reported, autoretry_for=(Exception,), retry_backoff=True, retry_backoff_max=8, max_retries=5
)
def send_sms(message_id: str, to: str, sender: str, body: str) -> None:
    if store.sismember(OPTED_OUT, to):
        store.sadd(SUPPRESSED, message_id)
        return
    callback = f"{os.environ['NAIVE_PUBLIC']}/status?message_id={message_id}"
    client.messages.create(to=to, from_=sender, body=body, status_callback=callback)
