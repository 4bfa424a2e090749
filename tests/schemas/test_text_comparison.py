"""Two texts count as the same whatever smart encoding may have changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.text_comparison import letters_and_digits


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It’s 5 o’clock…", "It's 5 o'clock..."),
        ("ｈｅｌｌｏ", "hello"),
        ("Hello,  World\n", "hello world"),
        ("½", "1⁄2"),
        ("ﬁne", "fine"),
    ],
)
def test_punctuation_spacing_case_and_width_make_no_difference(one: str, other: str) -> None:
    assert letters_and_digits(one) == letters_and_digits(other)


@pytest.mark.parametrize(("one", "other"), [("code 1234", "code 1235"), ("yes", "no"), ("resume", "resumed")])
def test_another_letter_or_digit_makes_another_text(one: str, other: str) -> None:
    assert letters_and_digits(one) != letters_and_digits(other)


@given(st.text())
def test_what_is_compared_is_letters_and_digits_only(text: str) -> None:
    assert all(char.isalnum() for char in letters_and_digits(text))
