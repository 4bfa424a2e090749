"""Settings → one Twilio account, as the sender worker and the reconciler use it."""

from __future__ import annotations

from connectors.twilio.api.account import CallbackRetries, TwilioAccount
from connectors.twilio.errors import SettingError
from processors.settings.model import Settings
from processors.wiring.command_settings import InvalidSettings, require


def build_account(settings: Settings) -> TwilioAccount:
    """The account; calls are made with the API key where there is one, else with the first auth token.

    Raises:
        InvalidSettings: A setting is missing or cannot be used.
    """
    twilio = settings.twilio
    require(settings, "worker sender", ["twilio.account_sid", "twilio.public_url"])
    if twilio.api_key:
        require(settings, "worker sender", ["twilio.api_secret"])
        user, secret = twilio.api_key, twilio.api_secret
    else:
        require(settings, "worker sender", ["twilio.auth_tokens"])
        user, secret = twilio.account_sid, twilio.auth_tokens[0]
    assert secret is not None
    try:
        return TwilioAccount(
            account_sid=twilio.account_sid,
            user=user,
            secret=secret.get_secret_value(),
            public_url=twilio.public_url,
            base_url=twilio.base_url,
            timeout=twilio.timeout_s,
            connections=twilio.connections,
            retries=CallbackRetries(
                retries=twilio.callback_retries,
                connect_ms=twilio.callback_connect_ms,
                read_ms=twilio.callback_read_ms,
                total_ms=twilio.callback_total_ms,
            ),
        )
    except SettingError as error:
        raise InvalidSettings(f"twilio.{error}") from None
