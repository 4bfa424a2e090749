"""Follow what becomes of messages: ``python examples/consume_status.py BROKER [SECONDS]``.

Delivery is at least once, so the same event may arrive twice under one ``event_id``. A service that stores events uses
the id as the key of its table; this program remembers the last ids.
"""

from __future__ import annotations

import sys
import time
from collections import OrderedDict

from confluent_kafka import Consumer

from schemas.codec import Codec
from schemas.errors import DecodeError
from schemas.records import Failed, Sent, StatusChanged
from schemas.topics import BY_NAME, SMS_FAILED, SMS_SENT, SMS_STATUS

REMEMBERED = 100_000


def main(broker: str, seconds: float = float("inf")) -> None:
    """Print each event once, from the beginning of the topics, for so many seconds."""
    settings = {
        "bootstrap.servers": broker,
        "group.id": "smsflow-example-status",
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
    }
    consumer, codec, seen = Consumer(settings), Codec(), OrderedDict[str, None]()
    consumer.subscribe([SMS_SENT.name, SMS_STATUS.name, SMS_FAILED.name])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        message = consumer.poll(0.5)
        if message is None or message.error():
            continue
        try:
            event = codec.decode(BY_NAME[message.topic() or ""].record, message.value())
        except DecodeError as error:
            sys.stderr.write(f"{message.topic()}/{message.partition()}/{message.offset()}: {error}\n")
            continue
        assert isinstance(event, Sent | StatusChanged | Failed)  # the three topics hold nothing else
        if event.event_id in seen:
            continue
        seen[event.event_id] = None
        if len(seen) > REMEMBERED:
            seen.popitem(last=False)
        print(_line(event), flush=True)
    consumer.close()


def _line(event: Sent | StatusChanged | Failed) -> str:
    match event:
        case Sent():
            return f"{event.message_id}: accepted by Twilio as {event.sid}, {event.segments} segment(s)"
        case StatusChanged():
            return f"{event.message_id}: {event.status}{f' ({event.reason})' if event.reason else ''}"
        case Failed():
            return f"{event.message_id}: failed, {event.reason}: {event.detail}"


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    main(sys.argv[1], *map(float, sys.argv[2:]))
