"""What a simulated Twilio is made of: accounts, their senders, and how the world behaves."""

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
    """A company registered for 10DLC. T-Mobile takes so many segments a day from it, over all its campaigns.

    Source: https://www.twilio.com/docs/api/errors/30023; the default is a low-volume standard brand's.
    """

    sid: str = "BN" + "0" * 31 + "1"
    tmobile_daily_cap: int = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A 10DLC campaign: what the ten-digit numbers of one service send to the US.

    `rate`: segments per second that Twilio lets out, over all its numbers. `carrier_rate`: what each carrier takes
    before it refuses with 30022; None: everything. The defaults are a low-volume standard brand's.
    """

    sid: str = "QE" + "0" * 31 + "1"
    brand: Brand = field(default_factory=Brand)
    rate: float = 12.0
    carrier_rate: float | None = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A Messaging Service: a pool of senders with common settings. `rate`: segments per second over all of them."""

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
    """One Twilio account. `test_credentials`: the magic numbers apply to From, and nothing is ever sent."""

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
        """The service of that SID, or None."""
        return next((service for service in self.services if service.sid == sid), None)

    def service_of(self, number: str) -> Service | None:
        """The service whose pool holds the number, or None."""
        return next((service for service in self.services if number in service.numbers), None)

    def owns(self, number: str) -> bool:
        """Whether the number may send for this account."""
        return number in self.numbers or self.service_of(number) is not None


def default_accounts() -> tuple[Account, ...]:
    """A live account with fictional senders, and test credentials beside it."""
    test = Account(sid=TEST_ACCOUNT_SID, numbers=frozenset(), services=(), test_credentials=True)
    return Account(), test


@dataclass(frozen=True, slots=True)
class Span:
    """A time between two bounds, drawn per message."""

    low: timedelta
    high: timedelta

    def at(self, share: float) -> timedelta:
        """The time at this share (0 to 1) of the way."""
        return self.low + (self.high - self.low) * share

    @staticmethod
    def ms(low: float, high: float) -> "Span":
        return Span(timedelta(milliseconds=low), timedelta(milliseconds=high))


@dataclass(frozen=True, slots=True)
class OutcomeWeight:
    """How a message may end. Status `sent` means that no receipt ever comes."""

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
    """How long each step of a message takes."""

    choose: Span = field(default_factory=lambda: Span.ms(2, 10))
    depart: Span = field(default_factory=lambda: Span.ms(5, 30))
    receipt: Span = field(default_factory=lambda: Span.ms(10, 80))
    price: Span = field(default_factory=lambda: Span.ms(50, 150))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackFaults:
    """Probabilities (0 to 1) that a callback goes wrong, and by how long a late one is late."""

    late: float = 0.0
    lost: float = 0.0
    duplicated: float = 0.0
    reordered: float = 0.0
    late_by: timedelta = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSettings:
    """Everything a simulator is started with.

    `rates`: segments per second of single senders; `default_rate` for all others, which suits a demo, or with
    `published_rates` Twilio's figures (https://support.twilio.com/hc/en-us/articles/115002943027). `carriers`: whose
    subscriber a person is (att, tmobile, verizon, other), where it should not be drawn.
    `list_delay`: how long a new message stays invisible in the list. `schedule_min`/`max`: window of `SendAt`
    (https://www.twilio.com/docs/api/errors/35115). `confirmations`: Twilio's own answers to STOP, START, HELP.
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
        """The account of that SID, or None."""
        return next((account for account in self.accounts if account.sid == sid), None)

    def owner(self, number: str) -> Account | None:
        """The account that owns a number, or None."""
        return next((account for account in self.accounts if account.owns(number)), None)
