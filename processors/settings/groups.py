"""The groups of settings: each is a table in the TOML file and a part of the variables' names.

A setting is one field here, in ``kafka.py`` or in ``Settings``: type, default, bounds, and what it means (Markdown, for
the page of settings in the documentation).
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_core.core_schema import ValidationInfo

from processors.settings.fields import Count, Port, Seconds, SecondsList, Secrets, SettingsGroup


class SenderSettings(SettingsGroup):
    """One ``[[senders]]``: a number, short code, alphanumeric id or Messaging Service of this installation."""

    id: str = Field(min_length=1, description="E.164, a short code, an alphanumeric id, or a Messaging Service.")
    number_type: str = Field(default="long_code", description="Decides price and rate.")
    tier: str | None = Field(default=None, description="Its row in `sender_types.csv`.")
    mps: float | None = Field(default=None, gt=0, description="Segments per second, in place of the table's.")
    campaign: str | None = Field(default=None, description="Senders of one campaign share its rate.")


class TwilioSettings(SettingsGroup):
    """How smsflow reaches Twilio, and how Twilio reaches smsflow."""

    account_sid: str = Field(default="", description="`AC…`. Empty: `smsflow up` starts the simulator instead.")
    auth_tokens: Secrets = Field(
        default=(),
        description="One or two, by commas, so that a token can be changed without a gap. The first one authenticates "
        "API calls unless there is an API key; all of them verify webhooks.",
    )
    api_key: str | None = Field(
        default=None,
        description="`SK…`: authenticates API calls in place of the auth token. Webhooks still need `auth_tokens`.",
    )
    api_secret: SecretStr | None = Field(default=None, description="The API key's secret.")
    base_url: str = Field(
        default="https://api.twilio.com",
        description="Address of Twilio's API; give the simulator's address to use the simulator.",
    )
    shared_keys: Secrets = Field(
        default=(),
        description="Keys that may sign webhooks with HMAC-SHA256 or -SHA1, each `id:secret`, by commas; "
        "the webhook names its key.",
    )
    public_url: str | None = Field(
        default=None,
        description="The ingester as Twilio reaches it, without path: in every status callback's URL, and what "
        "signatures are checked against.",
    )
    timeout_s: Seconds = Field(
        default=10,
        description="Seconds after which a call has ended, whatever happened; then it is `unknown`. The same for "
        "person and sender workers: absence from Twilio's list counts only after it.",
    )
    connections: Count = Field(default=100, description="Open connections to Twilio at most, per worker.")
    callback_retries: int = Field(
        default=5,
        ge=0,
        le=5,
        description="How often Twilio repeats a webhook that was not answered 2xx: `rc` of its URL, with `rp=all`. "
        "Without, one 503 is a lost event.",
    )
    callback_connect_ms: int = Field(
        default=2000, ge=100, le=10_000, description="How long Twilio waits for a connection, milliseconds: `ct`."
    )
    callback_read_ms: int = Field(
        default=5000,
        ge=100,
        le=15_000,
        description="How long Twilio waits for an answer, milliseconds: `rt`. After 60 % of it a webhook goes to the "
        "spool.",
    )
    callback_total_ms: int = Field(
        default=15_000,
        ge=100,
        le=15_000,
        description="How long all tries may take together, milliseconds: `tt`.",
    )

    @field_validator("shared_keys")
    @classmethod
    def _id_and_secret(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(all(key.get_secret_value().partition(":")[::2]) for key in value):
            raise ValueError("expected id:secret, with commas between several")
        return value

    def keys(self) -> dict[str, str]:
        """The shared keys: id → secret."""
        return {key: secret for key, _, secret in (key.get_secret_value().partition(":") for key in self.shared_keys)}


class IngesterSettings(SettingsGroup):
    """The webhook ingester."""

    host: str = Field(default="127.0.0.1", description="Address to listen on; `0.0.0.0` for all.")
    port: Port = Field(default=8080, description="Port to listen on; 0 for any free one.")
    max_rate: float | None = Field(
        default=None,
        gt=0,
        description="New webhooks a second; those above it get 503 and come again. None: any number.",
    )
    spool_max_bytes: Count = Field(
        default=1 << 30, description="How many bytes may wait on disk for Kafka; then webhooks get 503."
    )
    tls_cert: Path | None = Field(default=None, description="Certificate (PEM) for HTTPS without a proxy.")
    tls_key: Path | None = Field(default=None, description="The key (PEM) of `tls_cert`.")


class SinkSettings(SettingsGroup):
    """The ClickHouse sink, and its own port for health and reports."""

    host: str = Field(
        default="127.0.0.1",
        description="Address of health and reports. They show phone numbers and ask for no password: use a loopback "
        "address.",
    )
    port: Port = Field(default=8081, description="Port of health and reports; 0 for any free one.")
    url: str | None = Field(
        default=None,
        description="Where `smsflow report` asks when ClickHouse is embedded: the sink's address, like "
        "`http://127.0.0.1:8081`.",
    )
    linger_s: Seconds = Field(
        default=2, description="Seconds a batch waits for more rows before it is inserted: how old reports may be."
    )


class SimulatorSettings(SettingsGroup):
    """The Twilio simulator."""

    host: str = Field(default="127.0.0.1", description="Address of the Twilio simulator.")
    port: Port = Field(default=8082, description="Port of the Twilio simulator; 0 for any free one.")
    quick: bool = Field(
        default=False, description="Milliseconds instead of a mobile network's latencies, for demonstrations."
    )
    rate: float = Field(default=100, gt=0, description="Segments a second of each simulated sender.")
    seed: int = Field(default=1, description="The same seed and the same requests give the same outcomes.")


class WorkerSettings(SettingsGroup):
    """One worker process."""

    instance_id: str = Field(
        default="{hostname}",
        description="The worker's static group membership; `{hostname}` stands for the machine's or container's name. "
        "Unique among the live workers of a stage, and the same again after a restart.",
    )
    session_s: Seconds = Field(
        default=30,
        description="Seconds of silence after which Kafka gives a worker's partitions away. A call is made only while "
        "2 s of it are left.",
    )
    heartbeat_s: Seconds = Field(
        default=1,
        description="Seconds between heartbeats; at most a third of `session_s`. Also how soon the others learn of a "
        "new or leaving worker.",
    )
    rebalance_s: Seconds = Field(
        default=60,
        description="Seconds a worker may take to join again during a rebalance; longer than the records in flight "
        "take.",
    )
    in_flight: Count = Field(default=256, description="Records handled at once.")
    concurrency: Count = Field(
        default=50,
        description="Calls to Twilio open at once, per sender worker. Twilio limits this for the account as a whole "
        "(429, code 20429).",
    )
    commit_s: Seconds = Field(default=1, description="Seconds between commits: what is read again after a crash.")
    direct_delivery: bool = Field(
        default=True,
        description="Let a record reach its stage without a task of its own, which halves Faust's CPU time per record. "
        "`false` delivers as Faust does, to find out whether a fault comes from ours.",
    )

    @field_validator("heartbeat_s")
    @classmethod
    def _within_session(cls, value: float, info: ValidationInfo) -> float:
        session = info.data.get("session_s")
        if session is not None and value > session / 3:
            raise ValueError(f"at most a third of session_s, which is {session:g}")
        return value


class IntervalSettings(SettingsGroup):
    """How often things happen by themselves."""

    tick_s: Seconds = Field(
        default=0.25,
        description="Seconds between looks at what is due: how exactly a waiting message wakes up.",
    )
    reconcile_every_s: Seconds = Field(
        default=300, description="Seconds between readings of Twilio's message list, for prices and lost callbacks."
    )
    reconcile_back_s: Seconds = Field(
        default=86_400,
        description="How far back the deepest readings go, seconds; others come more often and go less far. Prices "
        "can take a day.",
    )


class TimingSettings(SettingsGroup):
    """Replacements for waits of ``policies/timing.toml``."""

    look_ups_s: SecondsList | None = Field(
        default=None,
        description="Seconds after the end of a call of unknown outcome at which Twilio's list is asked, by commas.",
    )
    settle_by_s: Seconds | None = Field(
        default=None, description="Seconds after the end of such a call at which the class's policy decides."
    )
    message_window_s: Seconds | None = Field(
        default=None,
        description="Seconds after its last change for which a finished message's id is remembered; longer than every "
        "topic's retention.",
    )
    intent_life_s: Seconds | None = Field(
        default=None, description="Seconds for which a durable intent permits its call."
    )


class ReplySettings(SettingsGroup):
    """The answers to inbound texts that Twilio does not answer itself."""

    twilio_answers: bool = Field(
        default=True,
        description="Twilio's own handling of STOP, START and HELP is on, as by default: its standard words are left "
        "to it.",
    )
    stop: str | None = Field(
        default=None, description="Confirms a STOP that only smsflow understood. One text, no marketing."
    )
    start: str | None = Field(default=None, description="Confirms a START that only smsflow understood.")
    help: str | None = Field(default=None, description="Answers HELP where Twilio does not.")
    status: str | None = Field(
        default=None,
        description="Answers STATUS, as a message of class `conversation` through the same rules as any.",
    )
