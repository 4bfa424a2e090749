"""``smsflow ingest``: Twilio's webhooks → topics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from connectors.clock import SystemClock
from connectors.kafka.producer import KafkaPublisher
from connectors.twilio.errors import SettingError
from connectors.twilio.webhooks.ingester import IngesterOptions, create_ingester, serving
from processors.settings.model import Settings
from processors.wiring.factories import (
    InvalidSettings,
    build_auto_reply,
    build_cluster,
    build_codec,
    require,
    role_settings,
)
from processors.wiring.run_server import run_role

_OF_THEIR_PATIENCE = 0.6
"""The rest of what Twilio waits for an answer is the spool's and the network's."""


@click.command("ingest")
@click.pass_context
def command(context: click.Context) -> None:
    """Run the webhook ingester: signed callbacks and inbound messages onto their topics.

    Needs twilio.auth_tokens and twilio.public_url, the address Twilio signs.
    """
    settings = role_settings(context, "ingester")
    require(settings, "ingest", ["twilio.auth_tokens", "twilio.public_url"])
    run_role(settings, lambda: open_ingester(settings))


@asynccontextmanager
async def open_ingester(settings: Settings) -> AsyncIterator[str]:
    """Serve webhooks; gives the address."""
    public_url = settings.twilio.public_url
    assert public_url is not None
    folder = settings.data_dir.absolute() / "ingester"
    folder.mkdir(parents=True, exist_ok=True)
    publisher = KafkaPublisher(build_cluster(settings))
    try:
        app = create_ingester(
            _told(settings, public_url, folder),
            publisher,
            build_codec(settings),
            SystemClock(),
            build_auto_reply(settings),
        )
        async with serving(app, settings.ingester.host, settings.ingester.port) as port:
            yield f"http://{settings.ingester.host}:{port}"
    except SettingError as error:
        raise InvalidSettings(f"ingester: {error}") from None
    finally:
        publisher.close()


def _told(settings: Settings, public_url: str, folder: Path) -> IngesterOptions:
    given = settings.ingester
    return IngesterOptions(
        public_url=public_url,
        auth_tokens=tuple(token.get_secret_value() for token in settings.twilio.auth_tokens),
        shared_keys=settings.twilio.keys(),
        publish_timeout=settings.twilio.callback_read_ms / 1000 * _OF_THEIR_PATIENCE,
        spool_path=folder / "spool",
        spool_max_bytes=given.spool_max_bytes,
        max_rate=given.max_rate,
        tls_cert=given.tls_cert,
        tls_key=given.tls_key,
    )
