"""The way out of Twilio: the queues a message stands in, and what carriers refuse when it is handed over.

Sources: rates and queues, https://support.twilio.com/hc/en-us/articles/115002943027; 10DLC campaigns share one rate
over all their numbers, carriers refuse what is above it, https://www.twilio.com/docs/api/errors/30022; T-Mobile counts
segments per brand and day, https://www.twilio.com/docs/api/errors/30023; a STOP to a toll-free number is kept by its
network, https://www.twilio.com/docs/api/errors/30004
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

from connectors.simulator.carrier.numbering import american, canadian, carrier, published_rate, toll_free
from connectors.simulator.carrier.queues import Queue, Queues
from connectors.simulator.model.messages import Message
from connectors.simulator.model.settings import Account, Campaign, SimulationSettings
from connectors.simulator.model.store import MessageStore

_PACIFIC = ZoneInfo("America/Los_Angeles")


def cap_day(now: datetime) -> date:
    """The day of T-Mobile's count, which starts at midnight Pacific time."""
    return now.astimezone(_PACIFIC).date()


class Routes:
    """`rates`, `campaigns` (by Messaging Service) and `carriers` (by person) may be changed while the world runs."""

    def __init__(self, settings: SimulationSettings, store: MessageStore) -> None:
        self._settings = settings
        self._store = store
        self._queues = Queues()
        self._minutes: dict[tuple[str, str, datetime], int] = defaultdict(int)
        self.rates = dict(settings.rates)
        self.carriers = dict(settings.carriers)
        self.campaigns: dict[str, Campaign] = {
            service.sid: service.campaign
            for account in settings.accounts
            for service in account.services
            if service.campaign is not None
        }

    def carrier(self, person: str) -> str | None:
        """The person's carrier in the US: as told, else drawn; None elsewhere."""
        return self.carriers.get(person) or carrier(person)

    def full(self, account: Account, sender: str, person: str, now: datetime) -> bool:
        """Whether a queue on the way from this sender to this person takes no more."""
        return self._queues.full(list(self._ways(account, sender, person)), now)

    def join(self, account: Account, message: Message, now: datetime) -> datetime:
        """The instant at which a message leaves its queues."""
        assert message.sender is not None
        return self._queues.join(list(self._ways(account, message.sender, message.to)), message.segments, now)

    def _ways(self, account: Account, sender: str, person: str) -> Iterator[Queue]:
        service, campaign = account.service_of(sender), self.campaign(account, sender, person)
        rate = self.rates.get(sender)
        if rate is None and self._settings.published_rates:
            if campaign is None:
                name = f"{sender} to Canada" if canadian(person) else sender
                yield Queue(name, published_rate(sender, person))
        else:
            yield Queue(sender, self._settings.default_rate if rate is None else rate)
        if service is not None and service.rate is not None:
            yield Queue(service.sid, service.rate)
        if campaign is not None:
            yield Queue(campaign.sid, campaign.rate)

    def campaign(self, account: Account, sender: str, person: str) -> Campaign | None:
        """The 10DLC campaign a message goes under: only ten-digit numbers to the US have one."""
        service = account.service_of(sender)
        ten_digits = american(sender) and american(person)
        return self.campaigns.get(service.sid) if service is not None and ten_digits else None

    def refusal(self, account: Account, message: Message, now: datetime) -> int | None:
        """The error code with which the network refuses a message that is handed over now, or None: it takes it."""
        sender, person = message.sender or "", message.to
        if toll_free(sender) and (sender, person) in self._store.blocked:
            return 30004
        campaign = self.campaign(account, sender, person)
        return None if campaign is None else self._campaign_refusal(campaign, message, now)

    def _campaign_refusal(self, campaign: Campaign, message: Message, now: datetime) -> int | None:
        network = self.carrier(message.to) or ""
        brand, day = campaign.brand, cap_day(now).isoformat()
        if network == "tmobile" and self._store.tally[brand.sid, day] + message.segments > brand.tmobile_daily_cap:
            return 30023
        if self._over_rate(campaign, network, message.segments, now):
            return 30022
        if network == "tmobile":
            self._store.say({"fact": "tallied", "brand": brand.sid, "day": day, "segments": message.segments})
        return None

    def _over_rate(self, campaign: Campaign, network: str, segments: int, now: datetime) -> bool:
        """Carriers are taken to count by the minute, as AT&T does."""
        if campaign.carrier_rate is None:
            return False
        minute = (campaign.sid, network, now.replace(second=0, microsecond=0))
        if self._minutes[minute] + segments > campaign.carrier_rate * 60:
            return True
        self._minutes[minute] += segments
        return False
