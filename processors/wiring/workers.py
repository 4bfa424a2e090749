"""Settings → the Faust app of a stage."""

from __future__ import annotations

import faust
from faust.types.auth import CredentialsT

from connectors.kafka.cluster import Cluster
from processors.person.app import create_person_app, person_topics
from processors.sender.app import create_sender_app, sender_topics
from processors.settings.model import Settings
from processors.streaming.app import AppConfig
from processors.streaming.worker import run_worker
from processors.wiring.factories import build_cluster, build_codec, build_policy, instance_id
from processors.wiring.person_connections import person_ports
from processors.wiring.ready_file import announce_ready
from processors.wiring.sender_connections import SenderConnections
from processors.wiring.topics import check_topics


def run_person_worker(settings: Settings) -> None:
    """Run a worker of the person stage until SIGTERM or Ctrl-C.

    Raises:
        click.ClickException: Settings or topics cannot be used.
    """
    check_topics(settings, person_topics(settings.partitions))
    ports = person_ports(settings, build_policy(settings), build_codec(settings))
    app = create_person_app(app_config(settings), ports)
    _announce_when_recovered(app, settings)
    run_worker(app, settings.log_level)


def run_sender_worker(settings: Settings) -> None:
    """Run a worker of the sender stage until SIGTERM or Ctrl-C.

    Raises:
        click.ClickException: Settings or topics cannot be used.
    """
    check_topics(settings, sender_topics(settings.partitions))
    connections = SenderConnections(settings, build_policy(settings), build_codec(settings))
    app = create_sender_app(app_config(settings), connections.ports())
    _announce_when_recovered(app, settings)
    run_worker(app, settings.log_level, services=[connections])


def app_config(settings: Settings) -> AppConfig:
    """The configuration of either stage's app."""
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
        direct_delivery=worker.direct_delivery,
        credentials=faust_credentials(build_cluster(settings)),
    )


def faust_credentials(cluster: Cluster) -> CredentialsT | None:
    """The cluster's credentials, in the form Faust's own clients take."""
    if cluster.sasl:
        return faust.SASLCredentials(
            username=cluster.username,
            password=cluster.password,
            mechanism=cluster.mechanism,
            ssl_context=cluster.ssl_context(),
        )
    return faust.SSLCredentials(cluster.ssl_context()) if cluster.tls else None


def _announce_when_recovered(app: faust.App, settings: Settings) -> None:
    """Announce readiness when the app's tables are recovered: Faust starts an app's tasks then."""

    async def announce() -> None:
        announce_ready(settings.ready_file, settings.broker)

    app.task(announce)
