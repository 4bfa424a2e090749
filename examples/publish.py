"""Publish one send request: ``python examples/publish.py BROKER NUMBER TEXT [MESSAGE_ID]``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from uuid import uuid4

from confluent_kafka import KafkaError, Message, Producer

from schemas.codec import Codec
from schemas.enums import MessageClass
from schemas.records import SendRequest
from schemas.topics import SMS_REQUESTS


def main(broker: str, to: str, body: str, message_id: str | None = None) -> int:
    """Publish the request and wait for Kafka's acknowledgement; exit status 1 if there is none."""
    request = SendRequest(
        message_id=message_id or f"example-{uuid4()}",  # a real service takes the id of its order, alert or code
        to=to,
        tenant="examples",
        message_class=MessageClass.TRANSACTIONAL,
        body=body,
        requested_at=datetime.now(UTC),
    )
    failures: list[KafkaError] = []

    def on_delivery(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error)

    producer = Producer({"bootstrap.servers": broker, "acks": "all", "enable.idempotence": True})
    producer.produce(SMS_REQUESTS.name, Codec().encode(request), request.to, on_delivery=on_delivery)
    left = producer.flush(10)
    if failures or left:
        sys.stderr.write(f"not published: {failures[0] if failures else f'no answer of {broker} for 10 s'}\n")
        return 1
    sys.stdout.write(f"published {request.message_id}\n")
    return 0


if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
