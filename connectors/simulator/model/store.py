"""Everything the simulated Twilio stores.

The store changes only by journal entries. Applying the same entries in the same order rebuilds it after a restart.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from connectors.simulator.model.messages import Message

JournalEntry = Mapping[str, Any]
"""One change, as JSON values and instants. ``type`` names it; the other keys depend on the type."""

# Fields that later entries set; all others are part of the entry that creates the message.
_LATER_FIELDS = {
    *("body", "updated", "sent_at", "code", "refused", "price", "deleted", "history", "callback_results"),
}
_CREATION_FIELDS = tuple(field.name for field in fields(Message) if field.name not in _LATER_FIELDS)


class MessageStore:
    """Messages, blocked pairs of sender and person, and T-Mobile's daily segment counts.

    ``order`` is every message by creation; ``same_text`` counts messages by recipient and text; ``blocked`` has pairs
    of a scope (see ``block_scope``) and a person; ``daily_segments`` is keyed by brand SID and ISO day.
    ``created_count`` also counts messages from before a reset, so that no SID is used twice.
    """

    def __init__(self, journal: Callable[[JournalEntry], None] = lambda _entry: None) -> None:
        """``journal`` stores an entry durably; it is called before the entry is applied."""
        self._journal = journal
        self.created_count = 0
        self._clear()

    def _clear(self) -> None:
        self.messages: dict[str, Message] = {}
        self.order: list[Message] = []
        self.by_person: dict[str, list[Message]] = defaultdict(list)
        self.same_text: dict[tuple[str, str], int] = defaultdict(int)
        self.blocked: set[tuple[str, str]] = set()
        self.daily_segments: dict[tuple[str, str], int] = defaultdict(int)

    def record(self, entry: JournalEntry) -> None:
        """Write an entry to the journal, then apply it."""
        self._journal(entry)
        self._apply(entry)

    def load(self, entries: Iterable[JournalEntry]) -> None:
        """Apply entries that are already in the journal."""
        for entry in entries:
            self._apply(entry)

    def add(self, message: Message) -> None:
        """Write a new message to the journal, then add it: once its SID is answered, it must survive the process."""
        self._journal({"type": "message", **{name: getattr(message, name) for name in _CREATION_FIELDS}})
        self._insert(message)

    def _apply(self, entry: JournalEntry) -> None:
        getattr(self, f"_on_{entry['type']}")(entry)

    def _insert(self, message: Message) -> None:
        self.created_count += 1
        self.messages[message.sid] = message
        self.order.append(message)
        self.by_person[message.to].append(message)
        self.same_text[message.to, message.text] += 1

    def _on_message(self, entry: JournalEntry) -> None:
        values = {name: entry[name] for name in _CREATION_FIELDS}
        values["created"], values["send_at"] = _instant(values["created"]), _instant(values["send_at"])
        self._insert(Message(**values))

    def _on_status(self, entry: JournalEntry) -> None:
        message = self.messages[entry["sid"]]
        message.sender = entry["sender"]
        at = _instant(entry["at"])
        assert at is not None
        message.enter_status(entry["status"], at, entry["code"])

    def _on_refused(self, entry: JournalEntry) -> None:
        self.messages[entry["sid"]].refused = entry["code"]

    def _on_price(self, entry: JournalEntry) -> None:
        message = self.messages[entry["sid"]]
        message.price = Decimal(entry["price"])
        message.updated = _instant(entry["at"]) or message.updated

    def _on_callback(self, entry: JournalEntry) -> None:
        self.messages[entry["sid"]].callback_results[entry["event"]] = entry["result"]

    def _on_redacted(self, entry: JournalEntry) -> None:
        message = self.messages[entry["sid"]]
        message.body, message.updated = "", _instant(entry["at"]) or message.updated

    def _on_deleted(self, entry: JournalEntry) -> None:
        self.messages[entry["sid"]].deleted = True

    def _on_blocked(self, entry: JournalEntry) -> None:
        self.blocked.add((entry["scope"], entry["person"]))

    def _on_unblocked(self, entry: JournalEntry) -> None:
        self.blocked.discard((entry["scope"], entry["person"]))

    def _on_segments_counted(self, entry: JournalEntry) -> None:
        self.daily_segments[entry["brand"], entry["day"]] += entry["segments"]

    def _on_reset(self, _entry: JournalEntry) -> None:
        self._clear()


def _instant(value: datetime | str | None) -> datetime | None:
    """An instant of an entry: a datetime while the process runs, ISO 8601 text when read from the journal."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value
