"""docs/topics.md: every topic and every record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pages.tools import NOTE, page, table

from processors.person.app import person_changelogs
from processors.sender.app import sender_changelogs
from schemas import topics
from schemas.avro_schemas import AvroFile, avro_files

INTRODUCTION = """
A topic's name is written in one place, [`schemas/topics.py`](../schemas/topics.py). This page repeats it, with the
fields of [`schemas/avro/`](../schemas/avro).

* **Wire format**: a zero byte, the schema's id in four big-endian bytes, the Avro body (Confluent's format). With a
  Schema Registry the ids are the registry's; without one they are those of
  [`schemas/ids.json`](../schemas/ids.json), given below at each record. Records from before there was a registry stay
  readable. Values of tables always have the ids of `ids.json`: no registry is told of them.
* **Keys** are UTF-8 text. Producers of ours place them by Java's murmur2. Yours may use any partitioner: a record of
  the person stage that is found in a partition that is not its person's is put back under the right key (once; a
  header `smsflow-repartitioned` says so).
* **Partitions** stands here as 12, the default of `partitions`; every topic of both key spaces has the same number. It
  cannot be changed later: keys would move away from their state.
* `smsflow topics apply` creates them all, `smsflow topics show` says what differs.
* Times are UTC, milliseconds since 1970. Amounts are decimals beside their ISO 4217 currency.
"""
RECORDS = """
Changes of a record are backward compatible: a field may be added with a default, none may be removed or change its
type. Events have an `event_id` made of what they say, so the same event read twice has the same id: drop the second.
The last four records, and the one inside, are values of tables, not of topics.
"""
CHANGELOG_KEYS = {
    "smsflow-person-messages-changelog": "person NUL message_id",
    "smsflow-person-schedule-changelog": "due time, person NUL message_id",
    "smsflow-sender-attempts-changelog": "`intent|attempt_id`, `queue|attempt_id`",
}


def topics_page() -> str:
    """Every topic and every record."""
    return page(
        NOTE.format(source="schemas/topics.py and schemas/avro/"),
        "# Topics and records",
        INTRODUCTION,
        "## Topics",
        *_topic_tables(),
        "## Records",
        RECORDS,
        *(_record(json.loads(file.text), file.version, file.id) for file in sorted(avro_files(), key=_place)),
    )


def _topic_tables() -> Iterator[str]:
    public, lanes = topics.PUBLIC, topics.SENDER_INPUTS
    groups: dict[str, Sequence[topics.Topic]] = {
        "What goes in": topics.PERSON_INPUTS[:2],
        "What comes out": public,
        "Between the roles": [*topics.PERSON_INPUTS[2:], *lanes, topics.SMS_REVOCATIONS],
        "Dead letters": topics.DEAD_LETTERS,
        "Tables' changelogs": [*person_changelogs(topics.PARTITIONS), *sender_changelogs(topics.PARTITIONS)],
    }
    head = ("topic", "key", "record", "partitions", "kept", "clean-up", "dead letter")
    for title, members in groups.items():
        yield f"### {title}"
        yield table(head, (_topic(topic) for topic in members))


def _topic(topic: topics.Topic) -> list[str]:
    kept = "for good" if topic.retention_ms is None else f"{topic.retention_ms // topics.DAY_MS} days"
    record = topic.record.__name__
    known = any(file.name == record for file in avro_files())
    return [
        f"`{topic.name}`",
        "the record's"
        if topic in topics.DEAD_LETTERS
        else CHANGELOG_KEYS.get(topic.name, topic.key_format or str(topic.key)),
        f"[{record}](#{record.lower()})" if known else record,
        str(topic.partitions),
        kept,
        topic.cleanup_policy,
        f"`{topic.dead_letter}`" if topic.dead_letter else "none",
    ]


def _key(topic: topics.Topic) -> str:
    if topic in topics.DEAD_LETTERS:
        return "the record's"
    return CHANGELOG_KEYS.get(topic.name) or topic.key_format or str(topic.key)


def _place(file: AvroFile) -> int:
    """Records in the order of their topics, then the tables' values."""
    records = [topic.record.__name__ for topic in topics.REGISTRY]
    return records.index(file.name) if file.name in records else len(records)


def _record(schema: Mapping[str, Any], version: int, wire_id: int) -> str:
    rows = [[f"`{f['name']}`", _avro_type(f["type"]), _default(f), f["doc"]] for f in schema["fields"]]
    inner = [sub for f in schema["fields"] if (sub := _inner_record(f["type"])) and not _is_own_file(sub["name"])]
    return "\n\n".join(
        [
            f"### {schema['name']}",
            f"{schema['doc']} Version {version}, wire id {wire_id} without a Schema Registry.",
            table(("field", "type", "default", "meaning"), rows),
            *(_inner(sub) for sub in inner),
        ]
    )


def _inner(schema: Mapping[str, Any]) -> str:
    rows = [[f"`{f['name']}`", _avro_type(f["type"]), _default(f), f["doc"]] for f in schema["fields"]]
    return f"#### {schema['name']}\n\n{schema['doc']}\n\n" + table(("field", "type", "default", "meaning"), rows)


def _is_own_file(name: str) -> bool:
    return any(file.name == name for file in avro_files())


def _inner_record(kind: Any) -> Mapping[str, Any] | None:
    if isinstance(kind, list):
        return next((found for part in kind if (found := _inner_record(part))), None)
    if isinstance(kind, dict):
        return kind if kind["type"] == "record" else _inner_record(kind.get("items"))
    return None


def _avro_type(kind: Any) -> str:
    if isinstance(kind, list):
        return " or ".join(_avro_type(part) for part in sorted(kind, key=lambda part: part == "null"))
    if isinstance(kind, str):
        return kind
    if kind["type"] in ("array", "map"):
        return f"{kind['type']} of {_avro_type(kind.get('items', kind.get('values')))}"
    if kind.get("logicalType") == "decimal":
        return f"decimal({kind['precision']}, {kind['scale']})"
    return f"[{kind['name']}](#{kind['name'].lower()})" if kind["type"] == "record" else str(kind["logicalType"])


def _default(field: Mapping[str, Any]) -> str:
    return f"`{json.dumps(field['default'])}`" if "default" in field else "required"
