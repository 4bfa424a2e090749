"""What a simulated Twilio consists of: accounts, their senders, and how carriers and callbacks behave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

ACCOUNT_SID = "AC" + "0" * 31 + "1"
AUTH_TOKEN = "5" * 32
TEST_ACCOUNT_SID = "AC" + "0" * 31 + "2"
SERVICE_SID = "MG" + "0" * 31 + "1"
SERVICE_NUMBERS = tuple(f"+120255501{n:02d}" for n in range(10))
NUMBERS = frozenset({"+15005550006", "55555", "+18335550100", *SERVICE_NUMBERS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """A company registered for 10DLC.

    Args:
        sid: The brand's SID.
        tmobile_daily_cap: Segments that T-Mobile accepts per day, over all campaigns of the brand.

    Source: https://www.twilio.com/docs/api/errors/30023; the default is a low-volume standard brand's.
    """

    sid: str = "BN" + "0" * 31 + "1"
    tmobile_daily_cap: int = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A 10DLC campaign: what the ten-digit numbers of one Messaging Service send to the US.

    Args:
        sid: The campaign's SID.
        brand: The company the campaign belongs to.
        rate: Segments per second that Twilio sends, over all numbers of the campaign.
        carrier_rate: Segments per second that each carrier accepts before it refuses with 30022; None: no limit.

    The defaults are a low-volume standard brand's.
    """

    sid: str = "QE" + "0" * 31 + "1"
    brand: Brand = field(default_factory=Brand)
    rate: float = 12.0
    carrier_rate: float | None = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A Messaging Service: a pool of senders with common settings.

    Args:
        sid: The service's SID.
        numbers: The numbers in the pool, E.164.
        status_callback: URL for status callbacks of messages that name none.
        inbound_url: URL for inbound texts; before the account's.
        fallback_url: URL for inbound texts that ``inbound_url`` did not accept.
        advanced_opt_out: Whether inbound webhooks name recognised keywords in ``OptOutType``.
        rate: Segments per second over all numbers; None: no common limit.
        campaign: The 10DLC campaign of the service, or None.
    """

    sid: str = SERVICE_SID
    numbers: tuple[str, ...] = SERVICE_NUMBERS
    status_callback: str | None = None
    inbound_url: str | None = None
    fallback_url: str | None = None
    advanced_opt_out: bool = False
    rate: float | None = None
    campaign: Campaign | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One Twilio account.

    Args:
        sid: The account's SID.
        auth_token: The auth token, which also signs webhooks.
        api_keys: API key SIDs and their secrets.
        numbers: Senders outside any service: numbers and short codes.
        services: The Messaging Services.
        inbound_url: URL for inbound texts.
        fallback_url: URL for inbound texts that ``inbound_url`` did not accept.
        test_credentials: Whether the magic numbers apply to ``From``; nothing is ever sent then.
        max_concurrency: How many API requests may be open at once.
    """

    sid: str = ACCOUNT_SID
    auth_token: str = field(default=AUTH_TOKEN, repr=False)
    api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    numbers: frozenset[str] = NUMBERS
    services: tuple[Service, ...] = (Service(),)
    inbound_url: str | None = None
    fallback_url: str | None = None
    test_credentials: bool = False
    max_concurrency: int = 200

    def service(self, sid: str | None) -> Service | None:
        """The service with this SID, or None."""
        return next((service for service in self.services if service.sid == sid), None)

    def service_of(self, number: str) -> Service | None:
        """The service whose pool contains the number, or None."""
        return next((service for service in self.services if number in service.numbers), None)

    def owns(self, number: str) -> bool:
        """Whether the number may send for this account."""
        return number in self.numbers or self.service_of(number) is not None


def default_accounts() -> tuple[Account, ...]:
    """A live account with fictional senders, and test credentials beside it."""
    test = Account(sid=TEST_ACCOUNT_SID, numbers=frozenset(), services=(), test_credentials=True)
    return Account(), test


@dataclass(frozen=True, slots=True)
class DelayRange:
    """The bounds of a delay that is drawn per message."""

    low: timedelta
    high: timedelta

    def at(self, share: float) -> timedelta:
        """The delay at a share, 0 to 1, of the way from ``low`` to ``high``."""
        return self.low + (self.high - self.low) * share

    @staticmethod
    def ms(low: float, high: float) -> DelayRange:
        """A range given in milliseconds."""
        return DelayRange(timedelta(milliseconds=low), timedelta(milliseconds=high))


@dataclass(frozen=True, slots=True)
class OutcomeWeight:
    """One way a message may end, and its share among all. Status ``sent`` means that no delivery receipt ever comes."""

    status: str
    code: int | None
    weight: float


# A mix for demonstrations, not a measurement. Codes: https://www.twilio.com/docs/api/errors
DEFAULT_MIX = (
    OutcomeWeight("delivered", None, 0.94),
    OutcomeWeight("undelivered", 30003, 0.02),
    OutcomeWeight("undelivered", 30005, 0.012),
    OutcomeWeight("undelivered", 30006, 0.008),
    OutcomeWeight("undelivered", 30007, 0.008),
    OutcomeWeight("undelivered", 30008, 0.008),
    OutcomeWeight("failed", 30007, 0.004),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """How long each step of a message takes: sender choice, hand-over to the carrier, receipt, price."""

    choose: DelayRange = field(default_factory=lambda: DelayRange.ms(2, 10))
    depart: DelayRange = field(default_factory=lambda: DelayRange.ms(5, 30))
    receipt: DelayRange = field(default_factory=lambda: DelayRange.ms(10, 80))
    price: DelayRange = field(default_factory=lambda: DelayRange.ms(50, 150))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackFaults:
    """Probabilities, 0 to 1, of each callback fault; ``late_by`` is the longest delay of a late or repeated one."""

    late: float = 0.0
    lost: float = 0.0
    duplicated: float = 0.0
    reordered: float = 0.0
    late_by: timedelta = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSettings:
    """Everything a simulator is started with.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0: any free one.
        seed: Seed of every draw.
        accounts: The accounts; the first is the live one.
        rates: Segments per second of single senders, by sender.
        default_rate: Segments per second of all other senders; the default suits a demo.
        published_rates: Whether senders without an entry in ``rates`` get Twilio's published rate instead
            (https://support.twilio.com/hc/en-us/articles/115002943027).
        carriers: Carrier (att, tmobile, verizon, other) by person, where it is not to be drawn from the number.
        mix: How messages end, and how often.
        latencies: How long each step of a message takes.
        callback_faults: How callbacks misbehave.
        api_latency: How long the API waits before it serves a request.
        list_delay: How long a new message is missing in the message list.
        schedule_min: Earliest ``SendAt``, from now (https://www.twilio.com/docs/api/errors/35115).
        schedule_max: Latest ``SendAt``, from now.
        confirmations: Whether Twilio replies by itself to STOP, START and HELP.
        failed_fee_in_price: Whether ``price`` includes the fee of a failed message.
        retry_after_s: ``Retry-After`` of a 429, in seconds; None: no such header.
        callback_concurrency: How many webhooks are posted at once.
        ledger_path: File of the journal; None: nothing is stored on disk.
    """

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 1
    accounts: tuple[Account, ...] = field(default_factory=default_accounts)
    rates: Mapping[str, float] = field(default_factory=dict)
    default_rate: float = 100.0
    published_rates: bool = False
    carriers: Mapping[str, str] = field(default_factory=dict)
    mix: tuple[OutcomeWeight, ...] = DEFAULT_MIX
    latencies: Latencies = field(default_factory=Latencies)
    callback_faults: CallbackFaults = field(default_factory=CallbackFaults)
    api_latency: timedelta = timedelta(0)
    list_delay: timedelta = timedelta(0)
    schedule_min: timedelta = timedelta(seconds=300)
    schedule_max: timedelta = timedelta(days=35)
    confirmations: bool = True
    failed_fee_in_price: bool = True
    retry_after_s: int | None = None
    callback_concurrency: int = 128
    ledger_path: Path | None = None

    def account(self, sid: str) -> Account | None:
        """The account with this SID, or None."""
        return next((account for account in self.accounts if account.sid == sid), None)

    def owner(self, number: str) -> Account | None:
        """The account that owns a number, or None."""
        return next((account for account in self.accounts if account.owns(number)), None)
