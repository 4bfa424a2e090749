"""Reasons are words with an explanation beside them."""

import pickle

import pytest

from processors.core.sms.retry_policy import CodeAction
from schemas.reasons import (
    AttemptReason,
    DeadLetterReason,
    ExplainedEnum,
    FailureReason,
    OwnStatus,
    WaitReason,
)

KINDS = (OwnStatus, WaitReason, FailureReason, AttemptReason, DeadLetterReason, CodeAction)


@pytest.mark.parametrize("word", [word for kind in KINDS for word in kind], ids=repr)
def test_every_word_says_what_it_means_and_what_to_do(word: ExplainedEnum) -> None:
    assert word.means
    assert word.do
    assert word.name == word.value.upper()


def test_a_word_is_its_text() -> None:
    text: str = FailureReason.EXPIRED
    assert text == "expired"
    assert f"{FailureReason.EXPIRED}" == "expired"


def test_a_word_survives_a_process_border() -> None:
    assert pickle.loads(pickle.dumps(WaitReason.BACK_OFF)) is WaitReason.BACK_OFF


def test_one_word_may_stand_in_two_vocabularies() -> None:
    """An attempt that is not sent for one of these reasons ends its message for the same one."""
    shared = {str(word) for word in FailureReason} & {str(word) for word in AttemptReason}
    assert shared == {"expired", "opted_out"}
