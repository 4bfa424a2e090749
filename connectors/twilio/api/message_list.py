"""Reads Twilio's message list (port ``MessageList``).

The list filters by recipient and day of sending only; a row whose ``date_sent`` is still null may not match a day (not
documented). So nothing is called absent before the person's list was read without a day as well.
Source: https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec.structs import replace
from twilio.base.exceptions import TwilioException

from connectors.twilio.api.account import TwilioAccount
from connectors.twilio.api.matching import ListRow, Match, day, match, window
from connectors.twilio.api.transport import Transport
from connectors.twilio.errors import CallError, MessageListUnavailable
from schemas.attempt_results import attempt_result
from schemas.enums import Outcome
from schemas.ports import Clock
from schemas.records import AttemptResult, Dispatch, ListEntry

PAGE_SIZE = 1000
MAX_PAGES = 20
"""Of one person's list without a day: 20,000 messages. Longer ones are not called absent, but unreadable."""


class TwilioMessageList:
    """One account's message list. ``transport`` may be shared with a ``TwilioSender``; its maker closes it."""

    def __init__(self, account: TwilioAccount, transport: Transport, clock: Clock, page_size: int = PAGE_SIZE) -> None:
        self._messages = account.messages(transport)
        self._clock = clock
        self._page_size = page_size

    async def find(self, look_up: Dispatch) -> AttemptResult:
        """What became of an attempt. See ``schemas.ports.MessageList``."""
        try:
            found = await self._find(look_up)
        except MessageListUnavailable as error:
            return self._answer(look_up, Outcome.UNKNOWN, "list_unavailable", str(error))
        if found.row is not None:
            known = self._answer(look_up, Outcome.ACCEPTED)
            return replace(known, sid=found.row.sid, status=found.row.status, code=found.row.error_code)
        return self._answer(look_up, found.outcome, "not_in_list" if found.outcome is Outcome.ABSENT else "ambiguous")

    async def _find(self, look_up: Dispatch) -> Match:
        now = self._clock.now()
        after, before = window(look_up, now)
        rows: list[ListRow] = []
        async for page in self._pages(to=look_up.person, **_days(after, before)):
            rows += map(_row, page)
        found = match(look_up, rows, now)
        if found.outcome is Outcome.ABSENT:
            found = match(look_up, await self._undated(look_up.person, after), now)
        return found

    async def _undated(self, person: str, after: datetime) -> list[ListRow]:
        """The person's rows back to ``after``."""
        rows: list[ListRow] = []
        pages = 0
        async for page in self._pages(to=person):
            pages += 1
            read = [_row(item) for item in page]
            rows += read
            if _older(read, after):
                return rows
            if pages == MAX_PAGES:
                raise MessageListUnavailable(f"more than {MAX_PAGES} pages in one person's list")
        return rows

    async def entries(self, since: datetime, until: datetime) -> AsyncIterator[Sequence[ListEntry]]:
        """Outbound messages created from ``since`` to before ``until``.

        Read without a day: what failed before it was sent has no date of sending, but a status and a fee.
        """
        async for page in self._pages():
            read_at = self._clock.now()
            yield [
                _entry(item, read_at)
                for item in page
                if _outbound(item) and item.date_created is not None and since <= item.date_created < until
            ]
            if _older(page, since):
                return

    async def _pages(self, **filters: str) -> AsyncIterator[Sequence[Any]]:
        page = await _read(self._messages.page_async(page_size=self._page_size, **filters))
        while page is not None:
            yield _items(page)
            page = await _read(page.next_page_async())

    def _answer(
        self, look_up: Dispatch, outcome: Outcome, reason: str | None = None, detail: str | None = None
    ) -> AttemptResult:
        return attempt_result(look_up, outcome, self._clock.now(), reason=reason, detail=detail)


def _days(after: datetime, before: datetime) -> dict[str, str]:
    """A day more on either side: whether the list's bounds are inclusive is told in two ways."""
    return {"date_sent_after": day(after, -1), "date_sent_before": day(before, 1)}


def _older(page: Sequence[Any], than: datetime) -> bool:
    """Whether a page is older as a whole: the list is newest first, so this ends it."""
    return bool(page) and all(item.date_created is not None and item.date_created < than for item in page)


async def _read(page: Any) -> Any:
    try:
        return await page
    except (CallError, TwilioException, ValueError, TypeError, AttributeError, KeyError) as error:
        # The SDK wraps no error of its parsing: a 200 with another body raises whatever it provokes.
        raise MessageListUnavailable(f"{type(error).__name__}: {error}") from error


def _items(page: Any) -> list[Any]:
    try:
        return list(page)
    except (TwilioException, ValueError, TypeError, AttributeError, KeyError) as error:
        raise MessageListUnavailable(f"a row cannot be read: {error!r}") from error


def _outbound(item: Any) -> bool:
    return str(item.direction or "").startswith("outbound")


def _row(item: Any) -> ListRow:
    return ListRow(
        sid=str(item.sid),
        status=str(item.status),
        sender_number=item.from_,
        messaging_service=item.messaging_service_sid,
        body=item.body or "",
        created_by_api=item.direction == "outbound-api",
        date_created=item.date_created,
        error_code=_integer(item.error_code),
    )


def _entry(item: Any, read_at: datetime) -> ListEntry:
    price = _price(item.price)
    return ListEntry(
        message_sid=str(item.sid),
        person=str(item.to),
        sender_number=item.from_,
        messaging_service=item.messaging_service_sid,
        status=str(item.status),
        error_code=_integer(item.error_code),
        segments=_integer(item.num_segments) or None,  # "0" until a Messaging Service has chosen the sender
        price=price,
        currency=item.price_unit.upper() if price is not None and item.price_unit else None,
        date_created=item.date_created,
        read_at=read_at,
    )


def _integer(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isdecimal() else None


def _price(text: str | None) -> Decimal | None:
    """Twilio's price is negative and a string; ours is positive. Null, or not a number: not known yet."""
    if text is None:
        return None
    try:
        return Decimal(0) - Decimal(text)
    except InvalidOperation as error:
        raise MessageListUnavailable(f"price {text!r} is no number") from error
