"""Who waits for whom: https://support.twilio.com/hc/en-us/articles/115002943027"""

from datetime import UTC, datetime, timedelta

import pytest

from connectors.simulator.behaviour.twilio import SimulatedTwilio
from connectors.simulator.carrier.numbering import published_rate
from connectors.simulator.model.messages import Message
from connectors.simulator.model.settings import (
    SERVICE_NUMBERS,
    SERVICE_SID,
    Account,
    DelayRange,
    Latencies,
    Service,
    SimulationSettings,
)
from tests.connectors.simulator.conftest import ALWAYS, PERSON, SENDER

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
AT_ONCE = Latencies(choose=DelayRange.ms(0, 0), depart=DelayRange.ms(0, 0))


def create(twilio: SimulatedTwilio, **fields: str) -> Message:
    form = {"To": PERSON, "Body": "Hello"} | fields
    made = twilio.create(twilio.settings.accounts[0], {name: [value] for name, value in form.items()}, NOW)
    assert isinstance(made, Message)
    return made


def seconds(*messages: Message) -> list[float | None]:
    return [(message.sent_at - NOW).total_seconds() if message.sent_at else None for message in messages]


@pytest.mark.parametrize(
    ("sender", "person", "rate"),
    [
        ("+12025550100", "+14165550123", 1),
        ("+18335550100", PERSON, 3),
        ("+18335550100", "+14165550123", 3),
        ("+12025550100", "+447700900123", 10),
        ("ACME", "+447700900123", 10),
        ("55555", PERSON, 100),
    ],
)
def test_each_kind_of_sender_has_its_published_rate(sender: str, person: str, rate: float) -> None:
    """https://support.twilio.com/hc/en-us/articles/115002943027"""
    assert published_rate(sender, person) == rate


def test_the_published_rates_can_be_asked_for() -> None:
    """https://support.twilio.com/hc/en-us/articles/115002943027; Canada's queue does not hold up others."""
    twilio = SimulatedTwilio(SimulationSettings(mix=ALWAYS, latencies=AT_ONCE, published_rates=True))
    texts = [create(twilio, From=SENDER, To=to) for to in ("+14165550123", "+14165550124", PERSON, "+12125550102")]
    twilio.run_due(NOW + timedelta(minutes=1))
    assert seconds(*texts) == [0, 1, 0, 0.1]


def test_segments_count_and_not_messages() -> None:
    """https://support.twilio.com/hc/en-us/articles/115002943027"""
    twilio = SimulatedTwilio(SimulationSettings(mix=ALWAYS, latencies=AT_ONCE, rates={SENDER: 1.0}))
    texts = [create(twilio, From=SENDER, Body="x" * 300), create(twilio, From=SENDER), create(twilio, From=SENDER)]
    twilio.run_due(NOW + timedelta(minutes=1))
    assert seconds(*texts) == [0, 2, 3]


def test_a_service_may_have_a_rate_over_all_its_numbers() -> None:
    """https://www.twilio.com/docs/api/errors/30001 names limits of senders, services and accounts."""
    account = Account(services=(Service(rate=4.0),))
    twilio = SimulatedTwilio(SimulationSettings(mix=ALWAYS, latencies=AT_ONCE, accounts=(account,)))
    texts = [create(twilio, MessagingServiceSid=SERVICE_SID, From=sender) for sender in SERVICE_NUMBERS[:5]]
    twilio.run_due(NOW + timedelta(minutes=1))
    assert seconds(*texts) == [0, 0.25, 0.5, 0.75, 1.0]


def test_a_slow_number_does_not_hold_up_its_service() -> None:
    """https://support.twilio.com/hc/en-us/articles/115002943027: a queue per sender."""
    slow, fast = SERVICE_NUMBERS[:2]
    account = Account(services=(Service(rate=100.0),))
    settings = SimulationSettings(mix=ALWAYS, latencies=AT_ONCE, accounts=(account,), rates={slow: 0.1})
    twilio = SimulatedTwilio(settings)
    texts = [create(twilio, MessagingServiceSid=SERVICE_SID, From=sender) for sender in (slow, slow, fast)]
    twilio.run_due(NOW + timedelta(minutes=1))
    assert seconds(*texts) == [0, 10, 0.02]


def test_a_full_service_queue_fails_what_comes_after() -> None:
    """https://www.twilio.com/docs/api/errors/30001"""
    account = Account(services=(Service(rate=1 / 40000),))
    twilio = SimulatedTwilio(SimulationSettings(mix=ALWAYS, latencies=AT_ONCE, accounts=(account,)))
    create(twilio, MessagingServiceSid=SERVICE_SID)
    twilio.run_due(NOW + timedelta(seconds=1))
    late = create(twilio, MessagingServiceSid=SERVICE_SID)
    twilio.run_due(NOW + timedelta(seconds=2))
    assert (late.status, late.code) == ("failed", 30001)
