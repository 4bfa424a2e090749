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
    QueueCommand,
    SendDecision,
)
from schemas.enums import Outcome
from schemas.reasons import AttemptReason
from schemas.records import Dispatch
from schemas.states import AttemptPhase, SenderAttempt
from tests.builders import NOW, dispatch, result, seconds

LIFE = timedelta(seconds=10)


def context(now: datetime = NOW, *, revoked: bool = False, stale: str | None = None) -> AttemptContext:
    return AttemptContext(now=now, revoked=revoked, stale=stale)


INSTANTS = st.timedeltas(timedelta(hours=-2), timedelta(hours=2)).map(lambda by: NOW + by)
CONTEXTS = st.builds(AttemptContext, now=INSTANTS, revoked=st.booleans(), stale=st.none() | st.just("lost"))
LIVES = st.timedeltas(timedelta(seconds=1), timedelta(seconds=30))
COMMANDS = st.builds(dispatch, deadline=INSTANTS)
INTENTS = st.builds(decide.new_intent, st.just(dispatch()), INSTANTS, st.just(LIFE))


def answered(decision: SendDecision) -> tuple[Outcome, str | None]:
    assert isinstance(decision, AnswerCommand)
    return decision.result.outcome, decision.result.reason


@given(command=COMMANDS, intent=INTENTS, context=CONTEXTS)
def test_an_attempt_with_an_intent_is_unknown_and_never_called(
    command: Dispatch, intent: SenderAttempt, context: AttemptContext
) -> None:
    decision = decide.decide_send(command, intent, context)

    assert answered(decision) == (Outcome.UNKNOWN, "called_before")
    assert isinstance(decision, AnswerCommand)
    assert decision.intent is None
    assert decision.result.intent_until == intent.intent_until


@given(command=COMMANDS, context=CONTEXTS, life=LIVES)
def test_every_end_leaves_an_intent_that_a_second_reading_finds(
    command: Dispatch, context: AttemptContext, life: timedelta
) -> None:
    decision = decide.decide_send(command, None, context)

    if isinstance(decision, QueueCommand):
        assert decide.queue_entry(command).command == command
        return
    made = decide.new_intent(command, context.now, life)
    intent = made if isinstance(decision, CallTwilio) else decision.intent
    assert intent is not None
    assert intent.phase is AttemptPhase.INTENT
    assert answered(decide.decide_send(command, intent, context)) == (Outcome.UNKNOWN, "called_before")


@given(command=COMMANDS, context=CONTEXTS, life=LIVES)
def test_nobody_is_called_late_revoked_or_without_knowing(
    command: Dispatch, context: AttemptContext, life: timedelta
) -> None:
    decision = decide.decide_send(command, None, context)

    if isinstance(decision, CallTwilio):
        intent = decide.new_intent(command, context.now, life)
        assert context.now < command.deadline
        assert not context.revoked
        assert context.stale is None
        assert intent.intent_until is not None
        assert context.now < intent.intent_until <= command.deadline


def test_an_expired_command_is_answered_expired_even_if_nothing_else_is_known() -> None:
    decision = decide.decide_send(dispatch(deadline=NOW), None, context(stale="lost", revoked=True))

    assert answered(decision) == (Outcome.NOT_SENT, "expired")


def test_a_revoked_person_is_opted_out_and_the_intent_permits_no_call() -> None:
    decision = decide.decide_send(dispatch(), None, context(revoked=True))

    assert answered(decision) == (Outcome.NOT_SENT, "opted_out")
    assert isinstance(decision, AnswerCommand)
    assert decision.intent is not None
    assert (
        decide.final_check(dispatch(), decision.intent, NOW, owned=True, stale=None, revoked=False) == "intent_expired"
    )


def test_while_revocations_are_stale_a_command_waits_even_for_someone_they_name() -> None:
    assert isinstance(decide.decide_send(dispatch(), None, context(stale="lost", revoked=True)), QueueCommand)


def test_an_intent_is_kept_longer_than_its_topic_keeps_the_command() -> None:
    assert decide.new_intent(dispatch(), NOW, LIFE).delete_after == dispatch().deadline + timedelta(days=8)


def test_the_last_check_names_the_first_thing_that_is_wrong() -> None:
    intent = decide.new_intent(dispatch(), NOW, LIFE)

    def check(
        now: datetime = NOW, *, owned: bool = True, stale: str | None = None, revoked: bool = False
    ) -> str | None:
        return decide.final_check(dispatch(), intent, now, owned=owned, stale=stale, revoked=revoked)

    assert check() is None
    assert check(NOW + LIFE - timedelta(milliseconds=1)) is None
    assert check(NOW + LIFE) == "intent_expired"
    assert check(owned=False) == "partition_lost"
    assert check(stale="lost") == "revocations_stale"
    assert check(revoked=True) == "opted_out"
    assert check(NOW + LIFE, owned=False, stale="lost", revoked=True) == "partition_lost"


def test_past_the_deadline_the_last_check_says_expired_but_not_of_a_partition_that_is_lost() -> None:
    command = dispatch(deadline=NOW + seconds(1))
    intent = decide.new_intent(command, NOW, LIFE)

    def check(*, owned: bool) -> str | None:
        return decide.final_check(command, intent, NOW + seconds(1), owned=owned, stale=None, revoked=False)

    assert (check(owned=True), check(owned=False)) == ("expired", "partition_lost")


def test_an_answer_says_when_the_call_was_and_until_when_it_could_have_been() -> None:
    intent = decide.new_intent(dispatch(), NOW, LIFE)

    settled = decide.complete_result(replace(result(), called_at=None), intent, NOW + seconds(1))

    assert settled.intent_until == NOW + LIFE
    assert settled.called_at == NOW + seconds(1)


def test_who_lost_the_partition_does_not_say_not_sent() -> None:
    """Another worker may have been the attempt's owner in the meantime; only evidence settles it."""
    intent = decide.new_intent(dispatch(), NOW, LIFE)
    lost = result(outcome=Outcome.NOT_SENT, reason=AttemptReason.PARTITION_LOST)
    late = result(outcome=Outcome.NOT_SENT, reason=AttemptReason.INTENT_EXPIRED)

    assert decide.complete_result(lost, intent, None).outcome is Outcome.UNKNOWN
    assert decide.complete_result(late, intent, None).outcome is Outcome.NOT_SENT
