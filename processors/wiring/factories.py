"""Settings → the parts a role is made of. Every missing setting is named before anything starts."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import reduce
from pathlib import Path

import click

from connectors.kafka.cluster import Cluster
from processors.core.inbound.auto_reply import auto_reply
from processors.core.policy import Policy, Timing
from processors.policies.load import load
from processors.policies.rows import PolicyError
from processors.settings.logging_setup import configure_logging, quiet_logging
from processors.settings.model import Settings, SettingsError, TimingSettings, load_settings
from schemas.codec import Codec
from schemas.records import InboundMessage

RUNNING = "running.json"
"""In the data directory while `smsflow up` runs: the settings of its parts, as variables."""


class InvalidSettings(click.ClickException):
    """Settings that are wrong or missing: one line each."""

    exit_code = 2

    def __init__(self, problems: str) -> None:
        lines = "\n".join(f"  {line}" for line in problems.splitlines())
        super().__init__(f"settings:\n{lines}")


def command_settings(context: click.Context) -> Settings:
    """The settings of this command, from ``--config`` and the environment."""
    config = context.find_root().obj
    try:
        return load_settings(config if isinstance(config, Path) else None)
    except SettingsError as error:
        raise InvalidSettings(str(error)) from None


def client_settings(context: click.Context) -> Settings:
    """As `settings_of`, but with what a running `smsflow up` says where no broker is named: no need to repeat it."""
    quiet_logging()
    settings = command_settings(context)
    running = settings.data_dir / RUNNING
    if "broker" in settings.model_fields_set or not running.exists():
        return settings
    told: dict[str, str] = json.loads(running.read_text("utf-8"))
    return load_settings(environ=told | settings.environment())


def role_settings(context: click.Context, role: str) -> Settings:
    """As `settings_of`, with logging set up for a process that stays."""
    settings = command_settings(context)
    configure_logging(role, settings.log_level)
    return settings


def require(settings: Settings, role: str, fields: Sequence[str]) -> None:
    """Name every one of these (dotted) settings that is empty."""
    missing = [field for field in fields if not reduce(getattr, field.split("."), settings)]
    if missing:
        variables = [f"{name} (SMSFLOW_{name.replace('.', '_').upper()})" for name in missing]
        raise InvalidSettings("\n".join(f"{variable}: needed by smsflow {role}" for variable in variables))


def build_cluster(settings: Settings) -> Cluster:
    """The Kafka cluster, and how one gets in: with files that can be used."""
    given = settings.kafka
    cluster = Cluster(
        bootstrap=settings.broker,
        protocol=given.security_protocol,
        mechanism=given.sasl_mechanism,
        username=given.username,
        password=given.password.get_secret_value() if given.password else None,
        ca_file=given.ca_file,
        cert_file=given.cert_file,
        key_file=given.key_file,
        key_password=given.key_password.get_secret_value() if given.key_password else None,
    )
    try:
        cluster.ssl_context()
    except OSError as error:  # an SSLError is one
        raise InvalidSettings(
            f"kafka.ca_file, kafka.cert_file, kafka.key_file (SMSFLOW_KAFKA_CA_FILE, …): not PEM, or not each "
            f"other's: {error}"
        ) from None
    return cluster


def build_codec(settings: Settings) -> Codec:
    """The codec; with a Schema Registry where one is configured, after its compatibility check."""
    if settings.schema_registry_url is None:
        return Codec()
    from connectors.kafka.schema_registry import registered_codec

    return registered_codec(settings.schema_registry_url)


def build_policy(settings: Settings) -> Policy:
    """The shipped policy with this installation's senders, pools and timing; a call ends when its own time-out says."""
    try:
        policy = load(settings.policy_senders(), settings.pools)
    except PolicyError as error:
        raise InvalidSettings(str(error)) from None
    timing = replace(_timing(policy.timing, settings.timing), call_timeout=_seconds(settings.twilio.timeout_s))
    texts = settings.replies.model_dump(exclude_none=True, exclude={"twilio_answers"})
    return replace(policy, timing=timing, texts=replace(policy.texts, **texts))


def build_auto_reply(settings: Settings) -> Callable[[InboundMessage], str | None]:
    """What the ingester answers a person's text with, if anything."""
    policy = build_policy(settings)
    twilio_answers = settings.replies.twilio_answers
    return lambda inbound: auto_reply(inbound, policy.keywords, policy.texts, twilio_answers=twilio_answers)


def instance_id(settings: Settings) -> str:
    """This worker's static group membership."""
    return settings.worker.instance_id.replace("{hostname}", socket.gethostname())


def _timing(shipped: Timing, given: TimingSettings) -> Timing:
    look_ups = shipped.look_ups if given.look_ups_s is None else tuple(map(_seconds, given.look_ups_s))
    return replace(
        shipped,
        look_ups=look_ups,
        settle_by=_seconds(given.settle_by_s) if given.settle_by_s else shipped.settle_by,
        message_window=_seconds(given.message_window_s) if given.message_window_s else shipped.message_window,
        intent_life=_seconds(given.intent_life_s) if given.intent_life_s else shipped.intent_life,
    )


def _seconds(count: float) -> timedelta:
    return timedelta(seconds=count)
