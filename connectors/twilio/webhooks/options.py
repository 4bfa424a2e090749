"""What an ingester is told."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from connectors.twilio.errors import SettingError
from connectors.twilio.webhooks.request_reader import Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class IngesterOptions:
    """``publish_timeout`` in seconds must stay below the read time-out asked of Twilio (`CallbackRetries`).

    ``shared_keys``: secrets by the key's id, for webhooks signed with one. ``spool_path``: where records wait that the
    broker does not acknowledge in time, up to ``spool_max_bytes``; without it they are left with Twilio.

    ``max_bytes`` of one body, ``max_line_bytes`` of a header, at most ``max_headers``, ``max_connections`` and
    ``max_concurrent`` webhooks in work; ``max_rate`` new ones per second, None for any number. A whole request takes at
    most ``read_timeout`` seconds, a connection waits ``idle_timeout`` for the next. ``remember`` acknowledged webhooks,
    so that a repeated one is answered from memory; for ``unready_s`` after a refusal the readiness check says no, so
    that a balancer tries another ingester. ``drain_batch`` records leave the spool together, the next try ``retry_s``
    after a failure. A person's number gets at most ``max_replies`` answers from one of ours ``replies_within`` seconds.

    ``tls_cert`` and ``tls_key``, in PEM: HTTPS without a proxy.
    """

    public_url: str
    auth_tokens: tuple[str, ...] = field(repr=False)
    publish_timeout: float = 4.0
    max_bytes: int = 65_536
    remember: int = 20_000
    unready_s: float = 5.0
    shared_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    spool_path: Path | None = None
    spool_max_bytes: int = 1 << 30
    max_replies: int = 5
    replies_within: float = 300.0
    drain_batch: int = 500
    retry_s: float = 1.0
    max_line_bytes: int = 8190
    max_headers: int = 64
    max_connections: int = 2000
    max_concurrent: int = 5000
    max_rate: float | None = None
    read_timeout: float = 10.0
    idle_timeout: float = 75.0
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def bounds(self) -> Bounds:
        return Bounds(
            max_bytes=self.max_bytes,
            max_line=self.max_line_bytes,
            max_headers=self.max_headers,
            max_connections=self.max_connections,
            read_timeout=self.read_timeout,
            idle_timeout=self.idle_timeout,
        )

    def tls(self) -> ssl.SSLContext | None:
        """What HTTPS is spoken with, if it is. Raises SettingError."""
        if self.tls_cert is None and self.tls_key is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.tls_cert or "", self.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise SettingError(
                f"tls_cert, tls_key: {self.tls_cert}, {self.tls_key} cannot be used ({error})"
            ) from error
        return context
