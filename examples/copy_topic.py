"""Copy one person's records of a topic from one cluster to another, to replay them on a local system."""

from __future__ import annotations

import argparse
import sys

from confluent_kafka import Producer

from connectors.kafka.topic_reader import read_all


def main() -> int:
    """Copy key, value and headers of every record under the person's key, in order; print how many there were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", required=True, metavar="BROKER")
    parser.add_argument("--to", dest="target", required=True, metavar="BROKER", help="never the cluster it came from")
    parser.add_argument("--topic", required=True)
    parser.add_argument("--person", required=True, help="the recipient's number, E.164")
    given = parser.parse_args()
    if given.source == given.target:
        parser.error("--to: is the cluster of --from; a copied request would be texted")
    producer = Producer({"bootstrap.servers": given.target, "acks": "all", "partitioner": "murmur2_random"})
    copied = 0
    for record in read_all(given.source, [given.topic]):
        if record.key == given.person.encode():
            producer.produce(given.topic, record.value, record.key, headers=list(record.headers))
            copied += 1
    left = producer.flush(30)
    sys.stdout.write(f"{copied - left} of {copied} records copied\n")
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
