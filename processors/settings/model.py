"""All settings of an installation as one frozen object, read from ``SMSFLOW_*`` variables and a TOML file.

A variable's name is the setting's path in upper case: ``SMSFLOW_BROKER``, ``SMSFLOW_TWILIO_ACCOUNT_SID``. Lists take
commas, ``SMSFLOW_SENDERS`` and ``SMSFLOW_POOLS`` take JSON. The environment wins over the file, which ``--config`` or
``SMSFLOW_CONFIG`` names; in the file a group is a table, ``[twilio]``, and a sender is a ``[[senders]]``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from processors.settings.fields import Count
from processors.settings.groups import (
    IngesterSettings,
    IntervalSettings,
    ReplySettings,
    SenderSettings,
    SimulatorSettings,
    SinkSettings,
    TimingSettings,
    TwilioSettings,
    WorkerSettings,
)
from processors.settings.kafka import KafkaSettings
from processors.settings.sources import CONFIG_VARIABLE, PREFIX, SettingsError, read_settings, to_variables

__all__ = ["Settings", "SettingsError", "load_settings"]


def _from_json(example: str) -> BeforeValidator:
    """A validator that reads the text of an environment variable as JSON and shows the example where it is none."""

    def parse(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"not JSON ({error}); like {example}") from None

    return BeforeValidator(parse)


Senders = Annotated[
    tuple[SenderSettings, ...], _from_json('[{"id": "+12125550100", "number_type": "10dlc"}]'), NoDecode
]
Pools = Annotated[dict[str, tuple[str, ...]] | None, _from_json('{"default": ["+12125550100"]}'), NoDecode]


class Settings(BaseSettings):
    """Everything an installation decides. Frozen; secrets do not show in its repr."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="_", env_nested_max_split=1
    )

    broker: str = Field(default="127.0.0.1:9092", description="Kafka's `host:port`, several by commas.")
    schema_registry_url: str | None = Field(
        default=None,
        repr=False,
        description="Confluent Schema Registry; may contain `user:password@`. Schemas are checked and registered "
        "before a role starts. Needs the extra `registry`. None: the ids of `schemas/ids.json`.",
    )
    partitions: Count = Field(
        default=12,
        description="Of every topic with a person or a sender as key. Workers refuse to start on another number; it "
        "cannot be changed later.",
    )
    replication: Count = Field(
        default=3, description="Copies of each topic when `smsflow topics apply` creates the topic."
    )
    data_dir: Path = Field(
        default=Path(".smsflow"),
        description="Tables (`tables/`), and for `up` everything else: broker, ClickHouse, logs, the simulator's "
        "journal. Each worker needs its own, and the same one again after a restart.",
    )
    clickhouse_url: str = Field(
        default="clickhouse://127.0.0.1:8123/default",
        repr=False,
        description="`clickhouse://user:password@host:8123/database`, or `chdb:///folder` for the embedded engine, "
        "whose folder belongs to the sink's process alone.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="`DEBUG`, `INFO`, `WARNING` or `ERROR`; the log goes to standard error."
    )
    ready_file: Path | None = Field(
        default=None, description="A role writes its address into this file once it serves; for health checks."
    )
    kafka: KafkaSettings = KafkaSettings()
    twilio: TwilioSettings = TwilioSettings()
    ingester: IngesterSettings = IngesterSettings()
    sink: SinkSettings = SinkSettings()
    simulator: SimulatorSettings = SimulatorSettings()
    worker: WorkerSettings = WorkerSettings()
    intervals: IntervalSettings = IntervalSettings()
    timing: TimingSettings = TimingSettings()
    replies: ReplySettings = ReplySettings()
    senders: Senders = Field(default=(), description="The senders of texts; see below.")
    pools: Pools = Field(
        default=None, description="Name → sender ids; see below. None: one pool, `default`, of every sender."
    )

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
        """Explicitly set values as ``SMSFLOW_*`` variables, for a child process. Contains secrets."""
        return to_variables(self)

    @property
    def embedded_clickhouse(self) -> Path | None:
        """The folder of the embedded engine, or None where ClickHouse is a server."""
        if not self.clickhouse_url.startswith("chdb://"):
            return None
        return Path(self.clickhouse_url.removeprefix("chdb://"))

    def policy_senders(self) -> list[dict[str, object]]:
        """The senders as ``processors.policies.load`` takes them."""
        return [sender.model_dump(exclude_none=True) for sender in self.senders]


def load_settings(config: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the file, and the environment, which wins.

    Args:
        config: The TOML file; without one, the file that ``SMSFLOW_CONFIG`` names, if any.
        environ: The environment variables.

    Raises:
        SettingsError: A name is unknown, a value is wrong or the file cannot be read; every problem with its fix.
    """
    path = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    return read_settings(Settings, path, environ)
