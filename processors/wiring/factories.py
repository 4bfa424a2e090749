"""Makes from the settings what every role needs: cluster, codec, policy."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from connectors.kafka.cluster import Cluster
from processors.core.inbound.auto_reply import auto_reply
from processors.core.policy import Policy, Timing
from processors.policies.load import load
from processors.policies.rows import PolicyError
from processors.settings.groups import TimingSettings
from processors.settings.model import Settings
from processors.wiring.command_settings import InvalidSettings
from schemas.codec import Codec
from schemas.records import InboundMessage


def build_cluster(settings: Settings) -> Cluster:
    """The Kafka cluster and the credentials for it.

    Raises:
        InvalidSettings: The certificate files cannot be used.
    """
    kafka = settings.kafka
    cluster = Cluster(
        bootstrap=settings.broker,
        protocol=kafka.security_protocol,
        mechanism=kafka.sasl_mechanism,
        username=kafka.username,
        password=kafka.password.get_secret_value() if kafka.password else None,
        ca_file=kafka.ca_file,
        cert_file=kafka.cert_file,
        key_file=kafka.key_file,
        key_password=kafka.key_password.get_secret_value() if kafka.key_password else None,
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
    """The codec; with the configured Schema Registry, after its compatibility check."""
    if settings.schema_registry_url is None:
        return Codec()
    from connectors.kafka.schema_registry import registered_codec  # its package is an extra

    return registered_codec(settings.schema_registry_url)


def build_policy(settings: Settings) -> Policy:
    """The shipped policy with this installation's senders, pools, timing and texts.

    Raises:
        InvalidSettings: A sender or a pool cannot be used.
    """
    try:
        policy = load(settings.policy_senders(), settings.pools)
    except PolicyError as error:
        raise InvalidSettings(str(error)) from None
    timing = replace(_timing(policy.timing, settings.timing), call_timeout=_seconds(settings.twilio.timeout_s))
    texts = settings.replies.model_dump(exclude_none=True, exclude={"twilio_answers"})
    return replace(policy, timing=timing, texts=replace(policy.texts, **texts))


def build_auto_reply(settings: Settings) -> Callable[[InboundMessage], str | None]:
    """The function that gives the ingester's answer to a person's text, or None where there is none.

    Raises:
        InvalidSettings: A sender or a pool cannot be used.
    """
    policy = build_policy(settings)
    twilio_answers = settings.replies.twilio_answers
    return lambda inbound: auto_reply(inbound, policy.keywords, policy.texts, twilio_answers=twilio_answers)


def instance_id(settings: Settings) -> str:
    """This process's static group membership."""
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
