"""Where Twilio finds our webhooks. Apart from the rest so that the ingester need not load the SDK (about 30 MB)."""

from __future__ import annotations

from urllib.parse import urlsplit

from connectors.twilio.errors import SettingError

STATUS_PATH = "/twilio/status"
INBOUND_PATH = "/twilio/inbound"
EVENTS_PATH = "/twilio/events"


def check_url(setting: str, url: str) -> None:
    """Check that this is an http(s) URL with a host and without query, fragment or credentials.

    Raises:
        SettingError: It is not; the setting is named.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise SettingError(f"{setting}: {url!r} is no URL ({error})") from error
    if not usable:
        raise SettingError(f"{setting}: {url!r} needs a scheme and a host, like https://sms.example.com")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise SettingError(f"{setting}: {url!r} may have neither query, fragment nor credentials")
