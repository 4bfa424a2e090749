"""All that the world knows. Only facts change it; in order they are the journal, which rebuilds it after a restart."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from connectors.simulator.model.messages import Message

Fact = Mapping[str, Any]

_LATER = {"body", "updated", "sent_at", "code", "refused", "price", "deleted", "history", "posted"}
_BIRTH = tuple(field.name for field in fields(Message) if field.name not in _LATER)


class MessageStore:
    """Messages in order of creation, the pairs that a STOP blocks, and the segments of each brand and day at T-Mobile.

    `born` counts every message there ever was, over resets too, so that no SID is used twice.
    """

    def __init__(self, record: Callable[[Fact], None] = lambda _fact: None) -> None:
        self._record = record
        self.born = 0
        self._clear()

    def _clear(self) -> None:
        self.messages: dict[str, Message] = {}
        self.order: list[Message] = []
        self.by_person: dict[str, list[Message]] = defaultdict(list)
        self.same: dict[tuple[str, str], int] = defaultdict(int)
        self.blocked: set[tuple[str, str]] = set()
        self.tally: dict[tuple[str, str], int] = defaultdict(int)

    def say(self, fact: Fact) -> None:
        """Make a fact true, after it was recorded."""
        self._record(fact)
        self.apply(fact)

    def load(self, facts: Iterable[Fact]) -> None:
        """Make recorded facts true again."""
        for fact in facts:
            self.apply(fact)

    def add(self, message: Message) -> None:
        """A new message. Recorded first: once answered, it must survive the process."""
        self._record({"fact": "message", **{name: getattr(message, name) for name in _BIRTH}})
        self._insert(message)

    def apply(self, fact: Fact) -> None:
        getattr(self, f"_on_{fact['fact']}")(fact)

    def _insert(self, message: Message) -> None:
        self.born += 1
        self.messages[message.sid] = message
        self.order.append(message)
        self.by_person[message.to].append(message)
        self.same[message.to, message.text] += 1

    def _on_message(self, fact: Fact) -> None:
        given = {name: fact[name] for name in _BIRTH}
        given["created"], given["send_at"] = _instant(given["created"]), _instant(given["send_at"])
        self._insert(Message(**given))

    def _on_status(self, fact: Fact) -> None:
        message = self.messages[fact["sid"]]
        message.sender = fact["sender"]
        at = _instant(fact["at"])
        assert at is not None
        message.move(fact["status"], at, fact["code"])

    def _on_refused(self, fact: Fact) -> None:
        self.messages[fact["sid"]].refused = fact["code"]

    def _on_price(self, fact: Fact) -> None:
        message = self.messages[fact["sid"]]
        message.price = Decimal(fact["price"])
        message.updated = _instant(fact["at"]) or message.updated

    def _on_posted(self, fact: Fact) -> None:
        self.messages[fact["sid"]].posted[fact["topic"]] = fact["how"]

    def _on_redacted(self, fact: Fact) -> None:
        message = self.messages[fact["sid"]]
        message.body, message.updated = "", _instant(fact["at"]) or message.updated

    def _on_deleted(self, fact: Fact) -> None:
        self.messages[fact["sid"]].deleted = True

    def _on_blocked(self, fact: Fact) -> None:
        self.blocked.add((fact["scope"], fact["person"]))

    def _on_unblocked(self, fact: Fact) -> None:
        self.blocked.discard((fact["scope"], fact["person"]))

    def _on_tallied(self, fact: Fact) -> None:
        self.tally[fact["brand"], fact["day"]] += fact["segments"]

    def _on_reset(self, _fact: Fact) -> None:
        self._clear()


def _instant(value: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
