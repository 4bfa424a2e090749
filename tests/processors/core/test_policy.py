"""Which sender texts whom."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.core.policy import Policy, UnknownSenderError
from processors.policies.load import load

PEOPLE = [f"+1212555{number:04d}" for number in range(100, 200)]


def policy(*numbers: str) -> Policy:
    return load([{"id": number, "number_type": "10dlc"} for number in numbers])


THREE = policy("+12125550100", "+12125550101", "+12125550102")


@given(st.text(min_size=1))
def test_a_person_always_has_the_same_sender(person: str) -> None:
    assert THREE.sender_for(person) == policy("+12125550102", "+12125550100", "+12125550101").sender_for(person)


def test_the_choice_is_the_same_in_every_process_and_release() -> None:
    assert [THREE.sender_for(person).id[-1] for person in PEOPLE[:12]] == list("112112111222")


def test_people_are_spread_over_a_pool() -> None:
    shares = Counter(THREE.sender_for(person).id for person in PEOPLE)
    assert min(shares.values()) > 20


def test_a_new_sender_takes_over_only_its_own_share() -> None:
    four = policy(*THREE.senders, "+12125550103")
    moved = [person for person in PEOPLE if four.sender_for(person).id != THREE.sender_for(person).id]
    assert 0 < len(moved) < 40
    assert {four.sender_for(person).id for person in moved} == {"+12125550103"}


def test_an_unknown_sender_or_pool_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownSenderError, match=r"sender '\+12125550199': not one of \+12125550100, "):
        THREE.sender("+12125550199")
    with pytest.raises(UnknownSenderError, match="sender pool 'vip': not one of default"):
        THREE.sender_for(PEOPLE[0], "vip")
    with pytest.raises(UnknownSenderError, match="none, as no sender is configured"):
        load().sender_for(PEOPLE[0])


def test_a_configured_sender_is_found() -> None:
    assert THREE.sender("+12125550101").number_type == "10dlc"
