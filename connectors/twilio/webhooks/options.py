"""What an ingester is configured with."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from connectors.twilio.errors import SettingError
from connectors.twilio.webhooks.http_protocol import HttpBounds


@dataclass(frozen=True, slots=True, kw_only=True)
class IngesterOptions:
    """The ingester's options. Sizes are in bytes, times in seconds.

    Args:
        public_url: The URL before the path in the webhook URLs given to Twilio; signatures cover it.
        auth_tokens: Tokens Twilio may sign with; more than one during a rotation.
        shared_keys: Secrets by the id of their key, for webhooks signed with a shared key.
        publish_timeout: For Kafka's acknowledgement; below the read time-out asked of Twilio (``CallbackRetries``).
        spool_path: Where records wait that Kafka does not acknowledge in time. None: Twilio is asked to repeat them.
        spool_max_bytes: Bound on the spool's file.
        drain_batch: Records that leave the spool together.
        retry_s: Between a failed drain of the spool and the next.
        unready_s: After a webhook was refused, for which ``/ready`` answers 503.
        remember: Acknowledged webhooks; a repeated one is answered from memory.
        max_replies: Automatic replies from one number to another ``replies_within`` seconds.
        replies_within: See ``max_replies``.
        max_rate: New webhooks per second, None for any number.
        max_concurrent: Webhooks waiting for Kafka at once.
        max_connections: Open connections, those in their TLS handshake included.
        max_per_address: Open connections from one IP address.
        max_bytes: Bound on a body.
        max_line_bytes: Bound on the request target and on each header.
        max_headers: Bound on the number of headers.
        read_timeout: For one whole request, and for a TLS handshake.
        idle_timeout: For a connection to bring the next request.
        tls_cert: Certificate chain (PEM), for HTTPS without a proxy.
        tls_key: Its key (PEM).
    """

    public_url: str
    auth_tokens: tuple[str, ...] = field(repr=False)
    shared_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    publish_timeout: float = 4.0
    spool_path: Path | None = None
    spool_max_bytes: int = 1 << 30
    drain_batch: int = 500
    retry_s: float = 1.0
    unready_s: float = 5.0
    remember: int = 20_000
    max_replies: int = 5
    replies_within: float = 300.0
    max_rate: float | None = None
    max_concurrent: int = 5000
    max_connections: int = 2000
    max_per_address: int = 1000
    max_bytes: int = 65_536
    max_line_bytes: int = 8190
    max_headers: int = 64
    read_timeout: float = 10.0
    idle_timeout: float = 75.0
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def bounds(self) -> HttpBounds:
        """What one connection may use."""
        return HttpBounds(
            max_body=self.max_bytes,
            max_line=self.max_line_bytes,
            max_headers=self.max_headers,
            read_timeout=self.read_timeout,
            idle_timeout=self.idle_timeout,
        )

    def tls(self) -> ssl.SSLContext | None:
        """The context for HTTPS, or None for HTTP.

        Raises:
            SettingError: The certificate or the key cannot be used; both files are named.
        """
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
