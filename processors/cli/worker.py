"""``smsflow worker person|sender``: one worker process of a stage."""

from __future__ import annotations

from functools import partial

import click
import faust

from connectors.clock import SystemClock
from connectors.kafka.admin import KafkaAdmin
from connectors.kafka.cluster import Cluster
from connectors.kafka.errors import KafkaConnectorError
from connectors.kafka.producer import KafkaPublisher
from processors.local.parent_watch import announce_ready
from processors.person.app import create_person_app, person_topics
from processors.sender.app import create_sender_app, sender_topics
from processors.settings.model import Settings
from processors.streaming.app import AppConfig, TopicsWrong, require_topics, run_worker
from processors.wiring.factories import build_cluster, build_codec, build_policy, instance_id, role_settings
from processors.wiring.sender_connections import SenderConnections
from schemas.topics import Topic


@click.group("worker")
def command() -> None:
    """Run one worker. Start as many as there is work for, each with its own instance id and data directory."""


@command.command("person")
@click.pass_context
def person(context: click.Context) -> None:
    """Decide: one partition of people at a time."""
    settings = role_settings(context, "person")
    _require_topics(settings, person_topics(settings.partitions))
    app = create_person_app(
        app_config(settings),
        build_policy(settings),
        build_codec(settings),
        partial(KafkaPublisher, build_cluster(settings)),
        SystemClock(),
    )
    _announce_when_ready(app, settings)
    run_worker(app, settings.log_level)


@command.command("sender")
@click.pass_context
def sender(context: click.Context) -> None:
    """Call Twilio: one partition of senders at a time."""
    settings = role_settings(context, "sender")
    _require_topics(settings, sender_topics(settings.partitions))
    connections = SenderConnections(settings, build_policy(settings), build_codec(settings))
    app = create_sender_app(app_config(settings), connections.outside())
    _announce_when_ready(app, settings)
    run_worker(app, settings.log_level, services=[connections])


def app_config(settings: Settings) -> AppConfig:
    """What both stages are told."""
    worker = settings.worker
    return AppConfig(
        broker=settings.broker,
        data_dir=settings.data_dir.absolute() / "tables",
        instance_id=instance_id(settings),
        partitions=settings.partitions,
        replication=settings.replication,
        session_s=worker.session_s,
        heartbeat_s=worker.heartbeat_s,
        rebalance_s=worker.rebalance_s,
        commit_s=worker.commit_s,
        in_flight=worker.in_flight,
        tick_s=settings.intervals.tick_s,
        extra={"broker_credentials": credentials(build_cluster(settings))},
    )


def credentials(cluster: Cluster) -> faust.Credentials | None:
    """How Faust's own clients get into the cluster."""
    if cluster.sasl:
        return faust.SASLCredentials(
            username=cluster.username,
            password=cluster.password,
            mechanism=cluster.mechanism,
            ssl_context=cluster.ssl_context(),
        )
    return faust.SSLCredentials(cluster.ssl_context()) if cluster.tls else None


def _require_topics(settings: Settings, topics: tuple[Topic, ...]) -> None:
    try:
        require_topics(topics, KafkaAdmin(build_cluster(settings)).partition_counts)
    except TopicsWrong as error:
        raise click.ClickException(f"{error}\nrun: smsflow topics apply") from error
    except KafkaConnectorError as error:
        raise click.ClickException(str(error)) from error


def _announce_when_ready(app: faust.App, settings: Settings) -> None:
    """Faust starts an app's tasks when its tables are recovered."""

    async def announce() -> None:
        announce_ready(settings.ready_file, settings.broker)

    app.task(announce)
