"""An account as the tests have it."""

from __future__ import annotations

from typing import Any

from connectors.twilio.api.account import TwilioAccount

ACCOUNT_SID = "AC" + "0" * 32


def account(**changes: Any) -> TwilioAccount:
    return TwilioAccount(
        **{
            "account_sid": ACCOUNT_SID,
            "user": ACCOUNT_SID,
            "secret": "secret",
            "public_url": "https://sms.example.com",
            **changes,
        }
    )
