"""Twilio's message list: newest first, filtered, in pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from connectors.simulator.model.api_errors import ApiError
from connectors.simulator.model.messages import API_VERSION, Message, message_resource
from connectors.simulator.model.settings import Account
from connectors.simulator.model.store import MessageStore

_FILTERS = ("To", "From", "DateSent", "DateSent<", "DateSent>")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Filters and position of one page of the list.

    Args:
        to: The recipient, or None.
        sender: The sender, or None.
        on: The GMT day on which messages were sent, or None.
        until: The last such day, or None.
        since: The first such day, or None.
        size: How many messages a page has.
        page: The page's number, from 0.
        token: The token of the page, which names the last message of the page before; None: the first page.
    """

    to: str | None
    sender: str | None
    on: date | None
    until: date | None
    since: date | None
    size: int
    page: int
    token: str | None

    @staticmethod
    def read(params: Mapping[str, str]) -> ListQuery | ApiError:
        """The query of a URL, or error 20001. A page has 50 messages by default and 1000 at most.

        Source: https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources
        """
        try:
            return ListQuery(
                to=params.get("To") or None,
                sender=params.get("From") or None,
                on=_parse_day(params.get("DateSent")),
                until=_parse_day(params.get("DateSent<")),
                since=_parse_day(params.get("DateSent>")),
                size=min(1000, max(1, int(params.get("PageSize") or 50))),
                page=max(0, int(params.get("Page") or 0)),
                token=params.get("PageToken") or None,
            )
        except ValueError:
            return ApiError(20001)

    def matches(self, message: Message) -> bool:
        """Whether a message passes the filters; a message that is not sent yet passes no date filter."""
        if (self.to and message.to != self.to) or (self.sender and message.sender != self.sender):
            return False
        if not (self.on or self.until or self.since):
            return True
        sent = message.sent_at.date() if message.sent_at else None
        return sent is not None and self._in_days(sent)

    def _in_days(self, sent: date) -> bool:
        return (
            (self.on is None or sent == self.on)
            and (self.until is None or sent <= self.until)
            and (self.since is None or sent >= self.since)
        )


def _parse_day(text: str | None) -> date | None:
    """The GMT day of a filter, which may be an instant in any of the forms of Twilio's examples.

    Raises:
        ValueError: The text has none of these forms.

    Source: https://github.com/twilio/twilio-oai, examples of ListMessage
    """
    return _parse_instant(text).date() if text else None


def _parse_instant(text: str) -> datetime:
    if "/" in text:
        instant, _, zone = text.rpartition(" ")
        text = f"{datetime.strptime(instant, '%m/%d/%Y %H:%M:%S'):%d %b %Y %H:%M:%S} {zone}"  # noqa: DTZ007  the zone follows
    when = datetime.fromisoformat(text) if text[:1].isdigit() and "-" in text[:5] else parsedate_to_datetime(text)
    return when.replace(tzinfo=when.tzinfo or UTC).astimezone(UTC)


def list_page(
    store: MessageStore, account: Account, query: ListQuery, params: Mapping[str, str], now: datetime, delay: timedelta
) -> dict[str, Any]:
    """One page as Twilio writes it. ``delay``: how long a new message is missing in the list."""
    visible = (
        message
        for message in _newest_first(store, query)
        if message.account == account.sid
        and not message.deleted
        and now - message.created >= delay
        and query.matches(message)
    )
    found = list(islice(visible, query.size + 1))
    shown, more = found[: query.size], len(found) > query.size
    return _page_json(account, query, params, shown, more=more)


def _newest_first(store: MessageStore, query: ListQuery) -> Iterator[Message]:
    """The messages after the one that the page token names."""
    candidates = store.by_person.get(query.to, []) if query.to else store.order
    newest_first = reversed(candidates)
    if query.token is None:
        return newest_first
    last = query.token.removeprefix("PA")
    for message in newest_first:
        if message.sid == last:
            break
    return newest_first


def _page_json(
    account: Account, query: ListQuery, params: Mapping[str, str], shown: list[Message], *, more: bool
) -> dict[str, Any]:
    path = f"/{API_VERSION}/Accounts/{account.sid}/Messages.json"
    filters = {name: params[name] for name in _FILTERS if params.get(name)} | {"PageSize": str(query.size)}

    def uri(number: int, token: str | None = None) -> str:
        extra = {"Page": str(number)} | ({"PageToken": token} if token else {})
        return f"{path}?{urlencode(filters | extra)}"

    start = query.page * query.size
    return {
        "first_page_uri": uri(0),
        "next_page_uri": uri(query.page + 1, f"PA{shown[-1].sid}") if more else None,
        "previous_page_uri": None,
        "uri": uri(query.page, query.token),
        "page": query.page,
        "page_size": query.size,
        "start": start,
        "end": start + max(0, len(shown) - 1),
        "messages": [message_resource(message) for message in shown],
    }
