"""Counting: the published vectors, and a slow splitter that gives the same counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.core.sms.segments import Measure, measure, savings, smart_encode
from processors.core.sms.smart_encoding import LOOK_ALIKES

EXTENSION = "\f[\\]^{|}~€"
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_TEXTS = st.text(st.sampled_from(BASIC + EXTENSION * 4), max_size=700)
TEXTS = st.text(st.one_of(st.sampled_from("aé€{Áç😀"), st.characters(exclude_categories=["Cs"])), max_size=400)
RAINBOW_FLAG = "🏳️‍🌈"


def count_slowly(pieces: list[int], single: int, size: int) -> int:
    """Fill segments character by character; ``pieces`` are the units of each character, which stay together."""
    if sum(pieces) <= single:
        return 1 if pieces else 0
    count, room = 1, size
    for piece in pieces:
        if piece > room:
            count, room = count + 1, size
        room -= piece
    return count


@given(GSM_TEXTS)
def test_gsm_texts_are_cut_as_a_character_by_character_splitter_cuts_them(text: str) -> None:
    pieces = [2 if character in EXTENSION else 1 for character in text]
    assert measure(text) == Measure("GSM-7", sum(pieces), count_slowly(pieces, 160, 153))


@given(TEXTS.map(lambda text: text + "Á"))
def test_ucs2_texts_are_cut_as_a_character_by_character_splitter_cuts_them(text: str) -> None:
    pieces = [2 if ord(character) > 0xFFFF else 1 for character in text]
    assert measure(text) == Measure("UCS-2", sum(pieces), count_slowly(pieces, 70, 67))


@pytest.mark.parametrize(
    ("digits", "segments"), [(1, 1), (160, 1), (161, 2), (306, 2), (307, 3), (1530, 10), (1600, 11)]
)
def test_plain_text_takes_160_in_one_and_153_in_each_of_several(digits: int, segments: int) -> None:
    assert measure("1" * digits) == Measure("GSM-7", digits, segments)


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("😀" + "1" * 68, 1),
        ("😀" + "1" * 69, 2),
        ("🇩🇪" + "1" * 66, 1),
        (RAINBOW_FLAG + "1" * 64, 1),
        ("Á" * 70, 1),
        ("Á" * 71, 2),
        ("Á" * 1600, 24),
        ("a" * 66 + "😀" + "a" * 67, 3),
        ("😀" * 67, 3),
    ],
)
def test_one_character_outside_gsm_makes_it_70_and_67_utf16_units(text: str, segments: int) -> None:
    assert measure(text).encoding == "UCS-2"
    assert measure(text).segments == segments


@pytest.mark.parametrize("character", EXTENSION)
def test_an_extension_character_takes_two_septets(character: str) -> None:
    assert measure(character + "1" * 158) == Measure("GSM-7", 160, 1)
    assert measure(character + "1" * 159) == Measure("GSM-7", 161, 2)


def test_an_extension_pair_is_never_split() -> None:
    assert measure("a" * 152 + "€" + "a" * 152) == Measure("GSM-7", 306, 3)


def test_carriage_return_and_line_feed_count_as_two() -> None:
    assert measure("\r\n") == Measure("GSM-7", 2, 1)


def test_no_text_has_no_segment() -> None:
    assert measure("") == Measure("GSM-7", 0, 0)


@pytest.mark.parametrize("character", ["`", "\t", "\u00a0", "ç", "á", "“", "–", "…"])
def test_near_misses_of_gsm_are_not_gsm(character: str) -> None:
    assert measure(character).encoding == "UCS-2"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("“It’s” «here» – really…", '"It\'s" "here" - really...'),
        ("‹a› ½ ‼ a⁄b a‿", "<a> 1/2 !! a/b a‿"),
        ("ＡＢＣ１２３！", "ABC123!"),
        ("a\u200bb\ufeff c\u00a0d", "ab c d"),
        ("ʜᴇʟʟᴏ", "HELLO"),
        ("ç á 😀", "ç á 😀"),
    ],
)
def test_smart_encoding_replaces_look_alikes_and_nothing_else(text: str, plain: str) -> None:
    assert smart_encode(text) == plain


def test_smart_encoding_leaves_gsm_text_alone() -> None:
    assert smart_encode(BASIC + EXTENSION) == BASIC + EXTENSION


def test_every_replacement_is_gsm_and_no_gsm_character_is_replaced() -> None:
    assert all(measure(replacement).encoding == "GSM-7" for replacement in LOOK_ALIKES.values())
    assert not {chr(code) for code in LOOK_ALIKES} & set(BASIC + EXTENSION)


@given(TEXTS)
def test_smart_encoding_twice_is_smart_encoding_once(text: str) -> None:
    assert smart_encode(smart_encode(text)) == smart_encode(text)


def test_savings_tell_both_sizes() -> None:
    saved = savings("a" * 99 + "’")
    assert (saved.before.segments, saved.after.segments, saved.segments) == (2, 1, 1)
