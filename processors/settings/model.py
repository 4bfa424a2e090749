"""SMSFLOW_* and a TOML file → one frozen object. A mistake never passes: every problem is named, with its fix.

An environment variable is a field's path in upper case: ``SMSFLOW_BROKER``, ``SMSFLOW_TWILIO_ACCOUNT_SID``. Lists take
commas, ``SMSFLOW_SENDERS`` and ``SMSFLOW_POOLS`` take JSON. The environment wins over the file, which ``--config`` or
``SMSFLOW_CONFIG`` names; in it a group is a table: ``[twilio]``, and a sender is a ``[[senders]]``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_core.core_schema import ValidationInfo

from processors.settings import sources as sources
from processors.settings.sources import SettingsError

__all__ = ["Settings", "SettingsError", "load_settings"]

Port = Annotated[int, Field(ge=0, le=65_535)]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


def _split_commas(value: object) -> object:
    """``a, b`` as an environment variable says it."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


CommaSeparated = BeforeValidator(_split_commas)


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SenderSettings(_Group):
    """One ``[[senders]]``: a number, short code, alphanumeric id or Messaging Service of this installation.

    ``mps`` replaces the number type's default rate, in segments per second.
    """

    id: str = Field(min_length=1)
    number_type: str = "long_code"
    tier: str | None = None
    mps: float | None = Field(default=None, gt=0)
    campaign: str | None = None


class KafkaSettings(_Group):
    """How one gets into the cluster that ``broker`` names, in Kafka's words. All files are PEM.

    Without ``ca_file`` the system's certificate authorities are trusted. ``cert_file`` and ``key_file`` answer a broker
    that asks its clients for a certificate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    key_password: SecretStr | None = None

    @field_validator("sasl_mechanism", "username", "password")
    @classmethod
    def _belongs_to_sasl(cls, value: object, info: ValidationInfo) -> object:
        protocol = info.data.get("security_protocol")
        if protocol is None:  # which is a problem of its own
            return value
        if protocol.startswith("SASL_") and value is None:
            raise ValueError(f"needed with security_protocol {protocol}")
        if not protocol.startswith("SASL_") and value is not None:
            raise ValueError("used only with security_protocol SASL_SSL or SASL_PLAINTEXT: set it, or leave this out")
        return value

    @field_validator("ca_file", "cert_file", "key_file", "key_password")
    @classmethod
    def _belongs_to_tls(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and not info.data.get("security_protocol", "SSL").endswith("SSL"):
            raise ValueError("used only with security_protocol SSL or SASL_SSL: set it, or leave this out")
        if isinstance(value, Path) and not value.is_file():
            raise ValueError(f"{value} is no file that can be read")
        return value

    @field_validator("key_file")
    @classmethod
    def _key_of_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "cert_file" in info.data and (value is None) != (info.data["cert_file"] is None):
            raise ValueError("a certificate and its key go together: give both kafka.cert_file and kafka.key_file")
        return value


class TwilioSettings(_Group):
    """How Twilio is reached, and how Twilio reaches us.

    ``auth_tokens``: the first signs our calls unless an API key does; all of them verify webhooks, so that a token can
    be changed without a gap. ``shared_keys``: further ones that may sign webhooks, each ``id:secret``. ``public_url``:
    the ingester as Twilio sees it. ``callback_…``: how hard Twilio tries there; its own limits.
    """

    account_sid: str = ""
    auth_tokens: Annotated[tuple[SecretStr, ...], CommaSeparated] = ()
    api_key: str | None = None
    api_secret: SecretStr | None = None
    base_url: str = "https://api.twilio.com"
    shared_keys: Annotated[tuple[SecretStr, ...], CommaSeparated] = ()
    public_url: str | None = None
    timeout_s: Seconds = 10
    connections: Count = 100
    callback_retries: int = Field(default=5, ge=0, le=5)
    callback_connect_ms: int = Field(default=2000, ge=100, le=10_000)
    callback_read_ms: int = Field(default=5000, ge=100, le=15_000)
    callback_total_ms: int = Field(default=15_000, ge=100, le=15_000)

    @field_validator("shared_keys")
    @classmethod
    def _named_keys(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(all(key.get_secret_value().partition(":")[::2]) for key in value):
            raise ValueError("expected id:secret, with commas between several")
        return value

    def keys(self) -> dict[str, str]:
        """The shared keys' secrets by id."""
        return {key: secret for key, _, secret in (key.get_secret_value().partition(":") for key in self.shared_keys)}


class IngesterSettings(_Group):
    """Where webhooks arrive. Port 0: any free one. ``max_rate``: new webhooks a second, None for any number."""

    host: str = "127.0.0.1"
    port: Port = 8080
    max_rate: float | None = Field(default=None, gt=0)
    spool_max_bytes: Count = 1 << 30
    tls_cert: Path | None = None
    tls_key: Path | None = None


class SinkSettings(_Group):
    """The sink's own port: health, and reports where ClickHouse is embedded. 0: any free one.

    ``linger_s``: an insert waits that long for more events.
    """

    host: str = "127.0.0.1"
    port: Port = 8081
    linger_s: Seconds = 2


class SimulatorSettings(_Group):
    """The Twilio simulator. ``quick``: latencies of milliseconds, for demos. ``rate``: segments/s per sender."""

    host: str = "127.0.0.1"
    port: Port = 8082
    quick: bool = False
    rate: float = Field(default=100, gt=0)
    seed: int = 1


class WorkerSettings(_Group):
    """One worker process. ``instance_id`` names its static group membership: no two live workers of a stage share one.
    ``{hostname}`` in it stands for the machine's or container's name.

    ``session_s``, ``heartbeat_s``: how long Kafka waits for a silent worker, and how often it hears from a live one.
    ``in_flight``: records handled at once; ``concurrency``: calls to Twilio open at once.
    """

    instance_id: str = "{hostname}"
    session_s: Seconds = 30
    heartbeat_s: Seconds = 1
    rebalance_s: Seconds = 60
    in_flight: Count = 256
    concurrency: Count = 50
    commit_s: Seconds = 1

    @field_validator("heartbeat_s")
    @classmethod
    def _beats_within_session(cls, value: float, info: ValidationInfo) -> float:
        session = info.data.get("session_s")
        if session is not None and value > session / 3:
            raise ValueError(f"at most a third of session_s, which is {session:g}")
        return value


class IntervalSettings(_Group):
    """How often things happen by themselves. ``tick_s``: how exactly a waiting message wakes up."""

    tick_s: Seconds = 0.25
    reconcile_every_s: Seconds = 300
    reconcile_back_s: Seconds = 86_400


class TimingSettings(_Group):
    """Replaces entries of ``policies/timing.toml``: when an unknown attempt is looked up, how long an id is known."""

    look_ups_s: Annotated[tuple[Seconds, ...] | None, CommaSeparated] = None
    settle_by_s: Seconds | None = None
    message_window_s: Seconds | None = None
    intent_life_s: Seconds | None = None


class ReplySettings(_Group):
    """What is answered to a text where Twilio does not answer. ``twilio_answers``: it does for its own words."""

    twilio_answers: bool = True
    stop: str | None = None
    start: str | None = None
    help: str | None = None
    status: str | None = None


class Settings(_Group):
    """Everything an installation decides. Frozen; secrets do not show in its repr.

    ``clickhouse_url``: ``clickhouse://user:password@host:8123/database``, or ``chdb:///folder`` for the embedded
    engine, whose folder belongs to the sink's process: ``sink_url`` is where that answers reports.
    ``ready_file`` is written by a role once it serves, for whoever waits for it.
    """

    broker: str = "127.0.0.1:9092"
    schema_registry_url: str | None = Field(default=None, repr=False)
    partitions: Count = 12
    replication: Count = 3
    data_dir: Path = Path(".smsflow")
    clickhouse_url: str = Field(default="clickhouse://127.0.0.1:8123/default", repr=False)
    sink_url: str | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    ready_file: Path | None = None
    kafka: KafkaSettings = KafkaSettings()
    twilio: TwilioSettings = TwilioSettings()
    ingester: IngesterSettings = IngesterSettings()
    sink: SinkSettings = SinkSettings()
    simulator: SimulatorSettings = SimulatorSettings()
    worker: WorkerSettings = WorkerSettings()
    intervals: IntervalSettings = IntervalSettings()
    timing: TimingSettings = TimingSettings()
    replies: ReplySettings = ReplySettings()
    senders: tuple[SenderSettings, ...] = ()
    pools: dict[str, tuple[str, ...]] | None = None

    @field_validator("clickhouse_url")
    @classmethod
    def _known_engine(cls, value: str) -> str:
        if not value.startswith(("clickhouse://", "chdb://")):
            raise ValueError("expected clickhouse://[user:password@]host:8123/database or chdb:///folder")
        return value

    @field_validator("broker")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        for server in value.split(","):
            if not server.strip().rpartition(":")[2].isdigit():
                raise ValueError(f"{server.strip()!r} is not host:port")
        return value

    def environment(self) -> dict[str, str]:
        """What was given, as the variables that say it again (to a process of ours): secrets are in it."""
        return sources.to_environment(self)

    @property
    def embedded_clickhouse(self) -> Path | None:
        """The folder of the embedded engine, or None where ClickHouse is a server."""
        if not self.clickhouse_url.startswith("chdb://"):
            return None
        return Path(self.clickhouse_url.removeprefix("chdb://"))

    def policy_senders(self) -> list[dict[str, object]]:
        """The senders as `processors.policies.load` takes them."""
        return [sender.model_dump(exclude_none=True) for sender in self.senders]


def load_settings(config: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the file, then the environment over it. Raises SettingsError with every problem and its fix."""
    problems = sources.Problems()
    path = config or (Path(environ[sources.CONFIG_VARIABLE]) if environ.get(sources.CONFIG_VARIABLE) else None)
    values = sources.from_file(path, problems) if path else {}
    names = sources.variables(Settings)
    sources.merge_values(values, sources.from_environment(environ, names, problems))
    try:
        found = Settings.model_validate(values)
    except ValidationError as error:
        problems.add_invalid(error, Settings, path)
        raise problems.error() from None
    if problems:
        raise problems.error()
    return found
