"""Read a stage's table from its changelog: ``python examples/read_table.py BROKER CHANGELOG``.

A changelog is compacted: its newest value under a key is what the table holds. An empty value means that the key was
deleted.
"""

from __future__ import annotations

import sys

from connectors.kafka.topic_reader import read_all
from processors.wiring.topics import all_topics
from schemas.codec import Codec
from schemas.errors import DecodeError
from schemas.topics import PARTITIONS


def main(broker: str, changelog: str) -> int:
    """Print every key with its value, one a line; exit status 2 if there is no such changelog."""
    kinds = {topic.name: topic.record for topic in all_topics(PARTITIONS) if topic.name.endswith("-changelog")}
    if changelog not in kinds:
        sys.stderr.write(f"{changelog}: no changelog; there are {', '.join(sorted(kinds))}\n")
        return 2
    table: dict[bytes, bytes] = {}
    for record in read_all(broker, [changelog]):
        if record.value:
            table[record.key or b""] = record.value
        else:
            table.pop(record.key or b"", None)
    codec = Codec()
    for key, value in sorted(table.items()):
        print(key.replace(b"\0", b" ").decode("utf-8", "backslashreplace"), _shown(codec, kinds[changelog], value))
    return 0


def _shown(codec: Codec, kind: type, value: bytes) -> object:
    try:
        return value if kind is bytes else codec.decode(kind, value)
    except DecodeError as error:
        return error


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
