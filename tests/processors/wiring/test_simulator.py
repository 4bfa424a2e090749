"""The simulator of this installation: as Twilio is set up by docs/quickstart.md."""

from __future__ import annotations

from connectors.simulator.webhooks.payloads import CallbackRules
from processors.settings.model import load_settings
from processors.wiring.simulator import simulation_settings


def test_a_persons_text_is_posted_as_often_as_a_callback_is() -> None:
    """Else one crash of the ingester loses a STOP: without retries Twilio posts a text once."""
    settings = load_settings(environ={"SMSFLOW_TWILIO_PUBLIC_URL": "https://sms.example.com/"})

    (account,) = simulation_settings(settings).accounts

    address, _, fragment = (account.inbound_url or "").partition("#")
    assert address == "https://sms.example.com/twilio/inbound"
    assert CallbackRules.parse(fragment).retries == 5
    assert {service.inbound_url for service in account.services} == {account.inbound_url}
