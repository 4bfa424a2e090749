from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from processors.core.sender import decide
from processors.core.sender.decide import (
    AnswerCommand,
    AttemptContext,
    CallTwilio,
    LookUpMessage,
    QueueCommand,
    Verdict,
)
from schemas.records import Action, Dispatch, Outcome
from schemas.states import AttemptPhase, SenderAttempt
from tests.builders import NOW, dispatch, result, seconds

LIFE = timedelta(seconds=10)


def around(
    now: datetime = NOW, *, revoked: bool = False, stale: str | None = None, life: timedelta = LIFE
) -> AttemptContext:
    return AttemptContext(now=now, revoked=revoked, stale=stale, intent_life=life)


INSTANTS = st.timedeltas(timedelta(hours=-2), timedelta(hours=2)).map(lambda by: NOW + by)
CIRCUMSTANCES = st.builds(
    AttemptContext,
    now=INSTANTS,
    revoked=st.booleans(),
    stale=st.none() | st.just("lost"),
    intent_life=st.timedeltas(timedelta(seconds=1), timedelta(seconds=30)),
)
COMMANDS = st.builds(dispatch, deadline=INSTANTS, not_before=st.none() | INSTANTS)
MARKS = st.builds(decide.intent, st.just(dispatch()), INSTANTS, st.just(LIFE))


def answered(verdict: Verdict) -> tuple[Outcome, str | None]:
    assert isinstance(verdict, AnswerCommand)
    return verdict.result.outcome, verdict.result.reason


@given(command=COMMANDS, mark=MARKS, circumstances=CIRCUMSTANCES)
def test_an_attempt_with_an_intent_is_unknown_and_never_called(
    command: Dispatch, mark: SenderAttempt, circumstances: AttemptContext
) -> None:
    verdict = decide.decide_command(command, mark, circumstances)

    assert answered(verdict) == (Outcome.UNKNOWN, "called_before")
    assert isinstance(verdict, AnswerCommand)
    assert verdict.mark is None
    assert verdict.result.intent_until == mark.intent_until


@given(command=COMMANDS, circumstances=CIRCUMSTANCES)
def test_every_end_leaves_a_mark_that_a_second_reading_finds(command: Dispatch, circumstances: AttemptContext) -> None:
    verdict = decide.decide_command(command, None, circumstances)

    if isinstance(verdict, QueueCommand):
        assert verdict.entry.command == command
        return
    mark = (
        verdict.intent
        if isinstance(verdict, CallTwilio)
        else verdict.mark
        if isinstance(verdict, AnswerCommand)
        else None
    )
    assert mark is not None
    assert mark.phase is AttemptPhase.INTENT
    assert answered(decide.decide_command(command, mark, circumstances)) == (Outcome.UNKNOWN, "called_before")


@given(command=COMMANDS, circumstances=CIRCUMSTANCES)
def test_nobody_is_called_early_late_revoked_or_without_knowing(
    command: Dispatch, circumstances: AttemptContext
) -> None:
    verdict = decide.decide_command(command, None, circumstances)

    if isinstance(verdict, CallTwilio):
        assert command.not_before is None or command.not_before <= circumstances.now
        assert circumstances.now < command.deadline
        assert not circumstances.revoked
        assert circumstances.stale is None
        assert verdict.intent.intent_until is not None
        assert circumstances.now < verdict.intent.intent_until <= command.deadline


def test_an_expired_command_is_answered_expired_even_if_nothing_else_is_known() -> None:
    verdict = decide.decide_command(dispatch(deadline=NOW), None, around(stale="lost", revoked=True))

    assert answered(verdict) == (Outcome.NOT_SENT, "expired")


def test_a_revoked_person_is_opted_out_and_the_mark_permits_no_call() -> None:
    verdict = decide.decide_command(dispatch(), None, around(revoked=True))

    assert answered(verdict) == (Outcome.NOT_SENT, "opted_out")
    assert isinstance(verdict, AnswerCommand)
    assert verdict.mark is not None
    assert decide.final_check(verdict.mark, NOW, fenced=True, stale=None, revoked=False) == "intent_expired"


def test_while_revocations_are_stale_a_command_waits_even_for_someone_they_name() -> None:
    assert isinstance(decide.decide_command(dispatch(), None, around(stale="lost", revoked=True)), QueueCommand)


def test_a_command_waits_for_its_time() -> None:
    later = NOW + seconds(5)

    assert decide.decide_command(dispatch(not_before=later), None, around()) == QueueCommand(
        decide.queue_entry(dispatch(not_before=later)), later
    )


def test_a_look_up_waits_for_its_time_and_then_only_reads() -> None:
    command = dispatch(action=Action.LOOK_UP, not_before=NOW)
    mark = decide.intent(command, NOW, LIFE)

    assert isinstance(decide.decide_command(command, mark, around(NOW - seconds(1))), QueueCommand)
    assert (
        decide.decide_command(command, mark, around(NOW + timedelta(days=1), stale="lost", revoked=True))
        == LookUpMessage()
    )


def test_an_intent_is_kept_longer_than_its_topic_keeps_the_command() -> None:
    assert decide.intent(dispatch(), NOW, LIFE).keep_until == dispatch().deadline + timedelta(days=8)


def test_the_last_check_names_the_first_thing_that_is_wrong() -> None:
    mark = decide.intent(dispatch(), NOW, LIFE)

    def check(
        now: datetime = NOW, *, fenced: bool = True, stale: str | None = None, revoked: bool = False
    ) -> str | None:
        return decide.final_check(mark, now, fenced=fenced, stale=stale, revoked=revoked)

    assert check() is None
    assert check(NOW + LIFE - timedelta(milliseconds=1)) is None
    assert check(NOW + LIFE) == "intent_expired"
    assert check(fenced=False) == "partition_lost"
    assert check(stale="lost") == "revocations_stale"
    assert check(revoked=True) == "opted_out"
    assert check(NOW + LIFE, fenced=False, stale="lost", revoked=True) == "partition_lost"


def test_an_answer_says_when_the_call_was_and_until_when_it_could_have_been() -> None:
    mark = decide.intent(dispatch(), NOW, LIFE)

    settled = decide.complete_result(replace(result(), called_at=None), mark, NOW + seconds(1))

    assert settled.intent_until == NOW + LIFE
    assert settled.called_at == NOW + seconds(1)


def test_who_lost_the_partition_does_not_say_not_sent() -> None:
    """Another worker may have been the attempt's owner in the meantime; only evidence settles it."""
    mark = decide.intent(dispatch(), NOW, LIFE)
    lost = result(outcome=Outcome.NOT_SENT, reason=decide.PARTITION_LOST)
    late = result(outcome=Outcome.NOT_SENT, reason=decide.INTENT_EXPIRED)

    assert decide.complete_result(lost, mark, None).outcome is Outcome.UNKNOWN
    assert decide.complete_result(late, mark, None).outcome is Outcome.NOT_SENT
