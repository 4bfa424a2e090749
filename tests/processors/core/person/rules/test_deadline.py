"""A message is not dispatched after its deadline."""

from __future__ import annotations

import pytest

from processors.core.person.intake import open_message
from processors.core.person.rules.deadline import check_deadline
from schemas.enums import MessageClass
from tests.builders import NOW, person, policy, request, seconds


@pytest.mark.parametrize(("after", "is_refused"), [(59.999, False), (60, True)])
def test_a_message_is_refused_from_its_deadline_on(after: float, is_refused: bool) -> None:
    message = open_message(request(deadline=NOW + seconds(60)), policy(), NOW)
    refused = check_deadline(message, person(message), policy(), NOW + seconds(after))
    assert (refused is not None) is is_refused


@pytest.mark.parametrize(
    ("message_class", "replayable"), [(MessageClass.OTP, False), (MessageClass.TRANSACTIONAL, True)]
)
def test_a_replay_may_send_an_expired_message_but_no_one_time_password(
    message_class: MessageClass, replayable: bool
) -> None:
    message = open_message(request(deadline=NOW, message_class=message_class), policy(), NOW)
    refused = check_deadline(message, person(message), policy(), NOW)
    assert refused is not None
    assert refused.replayable is replayable
