"""Vectors published with github.com/TwilioDevEd/message-segment-calculator, and the rules for pairs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.simulator.carrier.segments import count_segments, smart_encoded

FLAG = "\U0001f1fa\U0001f1f8"


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 1),
        ("1" * 160, 1),
        ("1" * 161, 2),
        ("1" * 306, 2),
        ("1" * 307, 3),
        ("\U0001f600" + "1" * 68, 1),
        ("\U0001f600" + "1" * 69, 2),
        (FLAG + "1" * 66, 1),
        (FLAG + "1" * 67, 2),
        *((char + "1" * 158, 1) for char in "|^€{}[]~\\"),
        *((char + "1" * 159, 2) for char in "|^€{}[]~\\"),
        ("Á" * 70, 1),
        ("Á" * 71, 2),
        ("ç" * 71, 2),
        ("Ç" * 160, 1),
        ("`" * 71, 2),
        ("\r\n" * 80, 1),
        ("\r\n" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("a" * 66 + "\U0001f600" + "ä" + "é" * 66, 3),
        ("\U0001f600" * 67, 3),
        ("a" * 1600, 11),
        ("Ж" * 1600, 24),
    ],
)
def test_published_vectors(text: str, segments: int) -> None:
    """https://github.com/TwilioDevEd/message-segment-calculator"""
    assert count_segments(text) == segments


@given(st.text(alphabet="aé€ЖÁ\U0001f600", max_size=400), st.sampled_from("a€Ж"))
def test_a_longer_text_never_takes_fewer_parts_in_its_encoding(text: str, more: str) -> None:
    assert count_segments(text + more) >= count_segments(text)


def test_look_alikes_become_gsm() -> None:
    assert smart_encoded("“It’s 5 – 6…”") == '"It\'s 5 - 6..."'
