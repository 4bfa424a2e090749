"""The simulated Twilio without a server: equal seeds give equal ledgers, whatever else happens."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from connectors.simulator.behaviour.twilio import SimulatedTwilio
from connectors.simulator.carrier.outcomes import draw_outcome
from connectors.simulator.http.ledger import ledger_rows
from connectors.simulator.model.messages import Message
from connectors.simulator.model.settings import DEFAULT_MIX, SERVICE_SID, SimulationSettings
from connectors.simulator.webhooks.payloads import WebhookResponse
from tests.connectors.simulator.conftest import PERSON, SENDER

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def message(twilio: SimulatedTwilio, body: str, to: str = PERSON, *, service: bool = False) -> Message:
    sender = {"MessagingServiceSid": [SERVICE_SID]} if service else {"From": [SENDER]}
    url = ["http://127.0.0.1/cb"]
    created = twilio.create(
        twilio.settings.accounts[0], {"To": [to], "Body": [body], "StatusCallback": url} | sender, NOW
    )
    assert isinstance(created, Message)
    return created


def run(seed: int, bodies: list[str]) -> SimulatedTwilio:
    twilio = SimulatedTwilio(SimulationSettings(seed=seed))
    for body in bodies:
        message(twilio, body, service=len(body) % 2 == 0)
    while (due := twilio.next_due()) is not None:
        for delivery in twilio.run_due(due):
            twilio.on_webhook_result(delivery, WebhookResponse("ok"), [], due)
    return twilio


@given(st.integers(0, 9), st.lists(st.text("abc ", min_size=1, max_size=5), max_size=8))
def test_the_same_seed_and_requests_give_the_same_ledger(seed: int, bodies: list[str]) -> None:
    assert ledger_rows(run(seed, bodies)) == ledger_rows(run(seed, bodies))


@given(st.lists(st.text("abc ", min_size=1, max_size=5), max_size=8))
def test_every_message_ends_and_every_callback_is_posted_once(bodies: list[str]) -> None:
    twilio = run(1, bodies)
    for kept in twilio.store.order:
        assert kept.final
        told = [status for status, _at in kept.history[1:]]
        assert list(kept.callback_results) == told
        assert set(kept.callback_results.values()) <= {"delivered"}
        assert [at for _status, at in kept.history] == sorted(at for _status, at in kept.history)


def test_outcomes_do_not_depend_on_the_order_of_requests() -> None:
    bodies = [f"text {number}" for number in range(50)]
    forward = {kept.text: kept.status for kept in run(3, bodies).store.order}
    backward = {kept.text: kept.status for kept in run(3, bodies[::-1]).store.order}
    assert forward == backward


def test_outcomes_follow_the_mix() -> None:
    settings = SimulationSettings(seed=7)
    drawn = Counter(draw_outcome(settings, PERSON, f"text {n}", 1).status for n in range(10_000))
    assert 9300 < drawn["delivered"] < 9500
    assert 20 < drawn["failed"] < 70
    assert abs(sum(fate.weight for fate in DEFAULT_MIX) - 1) < 1e-9


def test_a_second_try_of_the_same_text_may_end_otherwise() -> None:
    settings = SimulationSettings(seed=7)
    ends = {draw_outcome(settings, PERSON, "same text", nth).status for nth in range(200)}
    assert {"delivered", "undelivered"} <= ends


def test_a_scripted_outcome_comes_before_the_mix() -> None:
    twilio = SimulatedTwilio(SimulationSettings())
    twilio.lifecycle.script(PERSON, "undelivered", 30008, times=1)
    first, second = message(twilio, "one"), message(twilio, "two")
    twilio.run_due(LATER)
    assert (first.status, first.code) == ("undelivered", 30008)
    assert (second.status, second.code) != ("undelivered", 30008)


def test_a_message_without_receipt_stays_sent_and_is_billed() -> None:
    """https://www.twilio.com/docs/messaging/guides/outbound-message-logging: no receipt may ever come."""
    twilio = SimulatedTwilio(SimulationSettings())
    twilio.lifecycle.script(PERSON, "sent", None, times=1)
    stuck = message(twilio, "one")
    twilio.run_due(LATER)
    assert (stuck.status, stuck.final) == ("sent", False)
    assert stuck.price is not None
