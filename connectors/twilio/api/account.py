"""One Twilio account and how to reach it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from twilio.rest import Client

from connectors.twilio.api.transport import Transport
from connectors.twilio.errors import SettingError
from connectors.twilio.urls import STATUS_PATH, check_url

_NO_ENVIRONMENT = {"TWILIO_REGION": "", "TWILIO_EDGE": ""}
"""An empty mapping would make the SDK read the process's own TWILIO_* variables."""


@dataclass(frozen=True, slots=True)
class CallbackRetries:
    """How hard Twilio tries to deliver a callback: without it a single 5xx of ours loses the event.

    Milliseconds to connect, to read and in total, and the number of retries; all tries share ``total_ms``.
    Source: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
    """

    retries: int = 5
    on: str = "all"
    connect_ms: int = 2000
    read_ms: int = 5000
    total_ms: int = 15000

    def fragment(self) -> str:
        """What stands behind ``#`` in a callback URL; Twilio neither sends nor signs it."""
        return f"rc={self.retries}&rp={self.on}&ct={self.connect_ms}&rt={self.read_ms}&tt={self.total_ms}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioAccount:
    """``user`` and ``secret``: an API key (SK...) with its secret, or the account SID with its auth token.

    ``public_url`` is where Twilio reaches the ingester, without a path unless a proxy strips it; ``timeout`` in seconds
    ends a call whatever happens, ``connect_timeout`` includes waiting for one of the ``connections``.
    """

    account_sid: str
    user: str
    secret: str = field(repr=False)
    public_url: str | None = None
    base_url: str = "https://api.twilio.com"
    timeout: float = 10.0
    connect_timeout: float = 3.0
    connections: int = 100
    retries: CallbackRetries = CallbackRetries()

    def __post_init__(self) -> None:
        if not self.account_sid.startswith("AC"):
            raise SettingError(f"account_sid: {self.account_sid!r} does not start with AC")
        if not self.user.startswith(("AC", "SK")) or not self.secret:
            raise SettingError("user, secret: needed are an API key (SK...) with its secret, or account SID and token")
        check_url("base_url", self.base_url)
        if self.public_url is not None:
            check_url("public_url", self.public_url)

    def status_callback(self, attempt_id: str) -> str | None:
        """Where Twilio reports on an attempt. The id is in the query, so that a callback settles a lost answer."""
        if self.public_url is None:
            return None
        query = quote(attempt_id, safe="/:")  # what may stand in a query stays: proxies like to rewrite %2F
        return f"{self.public_url.rstrip('/')}{STATUS_PATH}?attempt_id={query}#{self.retries.fragment()}"

    def transport(self) -> Transport:
        """A new pool of connections with this account's limits."""
        return Transport(timeout=self.timeout, connect_timeout=self.connect_timeout, connections=self.connections)

    def messages(self, transport: Transport) -> Any:
        """The SDK's messages resource over ``transport``."""
        client = Client(
            self.user, self.secret, self.account_sid, http_client=transport, environment=dict(_NO_ENVIRONMENT)
        )
        client.api.base_url = self.base_url.rstrip("/")
        return client.messages
