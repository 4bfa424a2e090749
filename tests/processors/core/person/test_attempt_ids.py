"""An attempt's id names its message and its number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.core.person.attempt_ids import join_attempt_id, split_attempt_id


@given(st.text(min_size=1), st.integers(1, 99))
def test_an_id_gives_back_message_and_number(message_id: str, number: int) -> None:
    assert split_attempt_id(join_attempt_id(message_id, number)) == (message_id, number)


@pytest.mark.parametrize("text", ["", "m1", "/1", "m1/", "m1/x", "m1/-1"])
def test_another_text_is_no_attempts_id(text: str) -> None:
    assert split_attempt_id(text) is None
