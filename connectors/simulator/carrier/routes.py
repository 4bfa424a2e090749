"""The way from Twilio to a carrier: the queues a message waits in, and what carriers refuse.

Source: https://support.twilio.com/hc/en-us/articles/115002943027 (rates and queues),
https://www.twilio.com/docs/api/errors/30022 (all numbers of a 10DLC campaign share one rate; carriers refuse more),
https://www.twilio.com/docs/api/errors/30023 (T-Mobile counts segments per brand and day),
https://www.twilio.com/docs/api/errors/30004 (a STOP to a toll-free number is enforced by its network).
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

from connectors.simulator.carrier.numbering import (
    draw_carrier,
    is_canadian,
    is_toll_free,
    is_us_number,
    published_rate,
)
from connectors.simulator.carrier.queues import Queue, Queues
from connectors.simulator.model.messages import Message
from connectors.simulator.model.settings import Account, Campaign, SimulationSettings
from connectors.simulator.model.store import MessageStore

_PACIFIC = ZoneInfo("America/Los_Angeles")


def cap_day(now: datetime) -> date:
    """The day in which T-Mobile counts segments; it starts at midnight Pacific time."""
    return now.astimezone(_PACIFIC).date()


class Routes:
    """Queues, campaigns and carriers of all messages.

    ``rates`` (by sender), ``campaigns`` (by SID of the Messaging Service) and ``carriers`` (by person) start as the
    settings have them and may be changed at any time.
    """

    def __init__(self, settings: SimulationSettings, store: MessageStore) -> None:
        self._settings = settings
        self._store = store
        self._queues = Queues()
        self._segments_per_minute: dict[tuple[str, str, datetime], int] = defaultdict(int)
        self.rates = dict(settings.rates)
        self.carriers = dict(settings.carriers)
        self.campaigns: dict[str, Campaign] = {
            service.sid: service.campaign
            for account in settings.accounts
            for service in account.services
            if service.campaign is not None
        }

    def carrier(self, person: str) -> str | None:
        """The carrier of a person in the US: the configured one, else a drawn one; None for other countries."""
        return self.carriers.get(person) or draw_carrier(person)

    def is_full(self, account: Account, sender: str, person: str, now: datetime) -> bool:
        """Whether a queue between this sender and this person accepts no more messages."""
        return self._queues.is_full(list(self._queues_between(account, sender, person)), now)

    def join(self, account: Account, message: Message, now: datetime) -> datetime:
        """Add a message, whose sender is known, to its queues.

        Returns:
            When the message leaves the last queue.
        """
        assert message.sender is not None
        queues = list(self._queues_between(account, message.sender, message.to))
        return self._queues.join(queues, message.segments, now)

    def _queues_between(self, account: Account, sender: str, person: str) -> Iterator[Queue]:
        service, campaign = account.service_of(sender), self.campaign(account, sender, person)
        rate = self.rates.get(sender)
        if rate is None and self._settings.published_rates:
            # The published rate of a number in a campaign is the campaign's.
            if campaign is None:
                name = f"{sender} to Canada" if is_canadian(person) else sender
                yield Queue(name, published_rate(sender, person))
        else:
            yield Queue(sender, self._settings.default_rate if rate is None else rate)
        if service is not None and service.rate is not None:
            yield Queue(service.sid, service.rate)
        if campaign is not None:
            yield Queue(campaign.sid, campaign.rate)

    def campaign(self, account: Account, sender: str, person: str) -> Campaign | None:
        """The 10DLC campaign of a message; only messages from ten-digit US numbers to the US have one."""
        service = account.service_of(sender)
        ten_digits = is_us_number(sender) and is_us_number(person)
        return self.campaigns.get(service.sid) if service is not None and ten_digits else None

    def refusal_code(self, account: Account, message: Message, now: datetime) -> int | None:
        """The error code with which the carrier refuses a message handed over now; None if the carrier accepts it.

        A segment that T-Mobile accepts counts towards the brand's daily cap.
        """
        sender, person = message.sender or "", message.to
        if is_toll_free(sender) and (sender, person) in self._store.blocked:
            return 30004
        campaign = self.campaign(account, sender, person)
        return None if campaign is None else self._campaign_refusal(campaign, message, now)

    def _campaign_refusal(self, campaign: Campaign, message: Message, now: datetime) -> int | None:
        carrier = self.carrier(message.to) or ""
        brand, day = campaign.brand, cap_day(now).isoformat()
        used = self._store.daily_segments[brand.sid, day]
        if carrier == "tmobile" and used + message.segments > brand.tmobile_daily_cap:
            return 30023
        if self._is_over_rate(campaign, carrier, message.segments, now):
            return 30022
        if carrier == "tmobile":
            entry = {"type": "segments_counted", "brand": brand.sid, "day": day, "segments": message.segments}
            self._store.record(entry)
        return None

    def _is_over_rate(self, campaign: Campaign, carrier: str, segments: int, now: datetime) -> bool:
        """Count the segments in this minute unless they exceed the rate; AT&T publishes its limit by the minute."""
        if campaign.carrier_rate is None:
            return False
        minute = (campaign.sid, carrier, now.replace(second=0, microsecond=0))
        if self._segments_per_minute[minute] + segments > campaign.carrier_rate * 60:
            return True
        self._segments_per_minute[minute] += segments
        return False
