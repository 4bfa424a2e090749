"""What can go wrong with Twilio here, named by what can be done about it. No SDK's exception leaves this package."""

from __future__ import annotations


class TwilioConnectorError(Exception):
    """Root of everything this package raises."""


class SettingError(TwilioConnectorError):
    """A setting cannot be used; it is named, and what would be right."""


class CallError(TwilioConnectorError):
    """A call brought no answer. ``reason`` is a stable word, ``detail`` is for a person to read."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class NotSent(CallError):
    """Not a byte of the request was written: it was certainly not processed and may be made again."""


class NoAnswer(CallError):
    """The request was written, at least in part, and no answer came: it may have been processed. Never just repeat."""


class MessageListUnavailable(TwilioConnectorError):
    """Twilio's message list could not be read; reading it again is safe."""


class ForgedWebhook(TwilioConnectorError):
    """No token of ours signs this request. Answer 403."""


class MalformedWebhook(TwilioConnectorError):
    """The body is no form, or lacks a field; the field is named. Answer 400."""
