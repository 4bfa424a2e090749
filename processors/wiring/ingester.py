"""Settings → the webhook ingester."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from connectors.clock import SystemClock
from connectors.kafka.producer import KafkaPublisher
from connectors.kafka.spool.errors import SpoolUnusable
from connectors.twilio.errors import SettingError
from connectors.twilio.webhooks.ingester import Ingester
from connectors.twilio.webhooks.options import IngesterOptions
from processors.settings.model import Settings
from processors.wiring.command_settings import InvalidSettings, require
from processors.wiring.factories import build_auto_reply, build_cluster, build_codec

_SHARE_OF_READ_TIMEOUT = 0.6
"""How much of Twilio's read time-out a publish may take; the rest is for the spool and the network."""


@asynccontextmanager
async def open_ingester(settings: Settings) -> AsyncIterator[str]:
    """Serve webhooks; gives the address.

    Raises:
        InvalidSettings: A setting is missing or cannot be used.
    """
    require(settings, "ingest", ["twilio.auth_tokens", "twilio.public_url"])
    folder = settings.data_dir.absolute() / "ingester"
    folder.mkdir(parents=True, exist_ok=True)
    publisher = KafkaPublisher(build_cluster(settings))
    try:
        ingester = Ingester(
            _options(settings, folder),
            publisher,
            build_codec(settings),
            SystemClock(),
            build_auto_reply(settings),
        )
        async with ingester.serving(settings.ingester.host, settings.ingester.port) as port:
            scheme = "http" if settings.ingester.tls_cert is None else "https"
            yield f"{scheme}://{settings.ingester.host}:{port}"
    except (SettingError, SpoolUnusable) as error:
        raise InvalidSettings(f"ingester: {error}") from None
    finally:
        publisher.close()


def _options(settings: Settings, folder: Path) -> IngesterOptions:
    ingester, twilio = settings.ingester, settings.twilio
    assert twilio.public_url is not None
    return IngesterOptions(
        public_url=twilio.public_url,
        auth_tokens=tuple(token.get_secret_value() for token in twilio.auth_tokens),
        shared_keys=twilio.keys(),
        publish_timeout=twilio.callback_read_ms / 1000 * _SHARE_OF_READ_TIMEOUT,
        spool_path=folder / "spool",
        spool_max_bytes=ingester.spool_max_bytes,
        max_rate=ingester.max_rate,
        tls_cert=ingester.tls_cert,
        tls_key=ingester.tls_key,
    )
