"""The order of the rules, and the documented way to add one: a function in ``RULES``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from processors.core.person import rules
from processors.core.person.decision import PersonState
from processors.core.person.intake import open_message
from processors.core.person.rules.verdicts import Hold, Refuse
from processors.core.policy import Policy
from schemas.enums import Action, Outcome
from schemas.records import Failed, StatusChanged
from schemas.states import MessageState
from tests.builders import NOW, consent_change, inbound, person, policy, request, result, seconds
from tests.processors.core.person.stage import (
    Stage,
    advance_to_wake_up,
    dispatches,
    only,
    stage_with,
    stage_with_unknown_outcome,
)

HOUR = timedelta(hours=1)


@dataclass
class NewRule:
    """A rule as somebody may add it: while it has an objection, it objects to every message."""

    objection: Refuse | Hold | None = None
    asked: list[tuple[str, str, datetime]] = field(default_factory=list)

    def __call__(
        self, message: MessageState, person: PersonState, policy: Policy, now: datetime
    ) -> Refuse | Hold | None:
        assert policy.time_zones
        self.asked.append((message.message_id, person.number, now))
        return self.objection


@pytest.fixture
def new_rule(monkeypatch: pytest.MonkeyPatch) -> NewRule:
    rule = NewRule()
    monkeypatch.setattr(rules, "RULES", (*rules.RULES, rule))
    return rule


def test_a_new_rule_is_asked_at_intake(new_rule: NewRule) -> None:
    new_rule.objection = Refuse("quiet", "nobody is texted now")
    failed = only(stage_with().published, Failed)
    assert (failed.reason, failed.detail) == ("quiet", "nobody is texted now")
    assert new_rule.asked == [("m1", request().to, NOW)]


def test_a_new_rule_that_holds_a_message_is_asked_again_when_the_wait_is_over(new_rule: NewRule) -> None:
    new_rule.objection = Hold("quiet", NOW + HOUR)
    stage = stage_with()
    waiting = only(stage.published, StatusChanged)
    assert (waiting.status, waiting.reason, waiting.until) == ("waiting", "quiet", NOW + HOUR)

    new_rule.objection = None
    assert dispatches(advance_to_wake_up(stage)) == ["m1/1"]
    assert [now for _, _, now in new_rule.asked] == [NOW, NOW + HOUR]


def test_a_new_rule_is_asked_before_a_retry(new_rule: NewRule) -> None:
    stage = stage_with()
    stage.feed(result(outcome=Outcome.NOT_SENT, reason="rate_limited"))
    new_rule.objection = Refuse("quiet", "nobody is texted now")
    assert only(advance_to_wake_up(stage), Failed).reason == "quiet"


def test_a_new_rule_is_asked_before_an_unknown_attempt_is_sent_again(new_rule: NewRule) -> None:
    stage = stage_with_unknown_outcome(request(resend_if_unknown=True))
    for _ in stage.policy.timing.look_ups:
        advance_to_wake_up(stage)
        stage.feed(result(action=Action.LOOK_UP, outcome=Outcome.ABSENT))
    new_rule.objection = Refuse("quiet", "nobody is texted now")
    assert only(advance_to_wake_up(stage), Failed).reason == "quiet"


def test_a_new_rule_is_asked_after_a_replay(new_rule: NewRule) -> None:
    stage = stage_with()
    stage.feed(result(outcome=Outcome.NOT_SENT, reason="expired"))
    new_rule.objection = Refuse("quiet", "nobody is texted now")
    assert only(stage.feed(request(replay_id="plan-1")), Failed).reason == "quiet"


def test_a_new_rule_is_asked_about_waiting_messages_when_consent_changes(new_rule: NewRule) -> None:
    stage = stage_with(send_at=NOW + HOUR)
    new_rule.objection = Refuse("quiet", "nobody is texted now")
    stage.messages["m1"] = open_message(request(), stage.policy, NOW)  # no older rule objects
    assert only(stage.feed(consent_change(scope="program:other")), Failed).reason == "quiet"


def test_the_first_objection_counts() -> None:
    """An opt-out protects the person, so that it is named before a passed deadline."""
    stage = Stage()
    stage.feed(inbound("STOP"))
    failed = only(stage.feed(request(deadline=NOW - HOUR, send_at=NOW - 2 * HOUR)), Failed)
    assert (failed.reason, failed.suppressed) == ("opted_out", True)


def test_a_message_that_no_rule_objects_to_may_be_sent() -> None:
    message = open_message(request(), policy(), NOW)
    assert rules.first_objection(message, person(message), policy(), NOW + seconds(1)) is None
