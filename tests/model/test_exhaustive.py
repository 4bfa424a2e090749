"""Every short story of one message: all interleavings of what may happen, up to a given length, without sampling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

import pytest
from msgspec.structs import replace

from processors.core.person import changes, decide, lifecycle, replays, rules, settlement, statuses, transitions
from processors.core.person.decision import Decision, PersonState, SourceOffset
from processors.core.person.rules.opted_out import check_opted_out
from processors.core.policy import Policy
from schemas.enums import Action, Outcome
from schemas.reasons import WaitReason
from schemas.records import AttemptResult, SendRequest
from schemas.states import MessageState, StatusReport
from tests.model.protocol import HOWS, How, Model

NAME = "a"
STEPS = 4
Step = Callable[[Model], None]


def next_steps(model: Model) -> Iterator[tuple[str, Step]]:
    """All that may happen next. What becomes of a call is chosen where it is made; a command may be read twice."""
    yield "request again", lambda m: m.asks(NAME)
    yield "replay", lambda m: m.replays(NAME, f"p{len(m.stage.messages[NAME].replays)}")
    yield ("START", lambda m: m.texts("START")) if model.stopped else ("STOP", lambda m: m.texts("STOP"))
    yield "an hour", lambda m: m.passes(60)
    yield "read again", lambda m: m.reads_again(2)
    if not model.dies_before_publishing:
        yield "will die", lambda m: m.will_die_before_publishing()
    yield from _commands(model)
    yield from _twilio(model)


def _commands(model: Model) -> Iterator[tuple[str, Step]]:
    for place, command in enumerate(model.commands):
        calls = command.action is Action.SEND and command.attempt_id not in model.intents and not model.stopped
        for how in HOWS if calls else HOWS[:1]:
            for again_later in (False, True):
                name = f"{command.action} {command.attempt_id}: {how}{', and again later' * again_later}"
                yield name, partial(_handle, place=place, how=how, again_later=again_later)


def _handle(model: Model, place: int, how: How, *, again_later: bool) -> None:
    model.handles(model.commands[place], how, again_later=again_later)


def _twilio(model: Model) -> Iterator[tuple[str, Step]]:
    for attempt_id, sid in model.twilio.accepted.items():
        for status in ("sent", "delivered", "undelivered"):
            if status == "sent" or model.twilio.ended.get(attempt_id, status) == status:
                yield f"{attempt_id} {status}", partial(Model.calls_back, attempt_id=attempt_id, status=status)
        if sid not in model.twilio.visible:
            yield f"{attempt_id} in the list", partial(Model.shows, sid=sid)


def after(how: How | None = None, *, resend: bool = False, then: Step = lambda _: None) -> Model:
    """A request was made, its first attempt ended so, and something more happened."""
    model = Model()
    model.asks(NAME, resend=resend)
    if how is not None:
        model.handles(model.commands[0], how)
    then(model)
    return model


def explore(begun: Model, steps: int) -> int:
    """Check the promise in every state within so many steps. Returns how many states there are."""
    seen = {begun.key()}
    frontier: list[tuple[Model, tuple[str, ...]]] = [(begun, ())]
    for _ in range(steps):
        following: list[tuple[Model, tuple[str, ...]]] = []
        for model, story in frontier:
            for name, step in next_steps(model):
                new, longer = model.copied(), (*story, name)
                _try(new, step, longer)
                if (key := new.key()) not in seen:
                    seen.add(key)
                    following.append((new, longer))
        frontier = following
    return len(seen)


def _try(model: Model, step: Step, story: tuple[str, ...]) -> None:
    try:
        step(model)
        model.check()
    except AssertionError as error:
        raise AssertionError(f"{error}; after: {' | '.join(story)}") from error


BEGINNINGS: dict[str, Callable[[], Model]] = {
    "request": after,
    "request that may be sent again": lambda: after(resend=True),
    "accepted": lambda: after("answer"),
    "in doubt": lambda: after("lose"),
    "in doubt and never accepted": lambda: after("crash_before"),
    "in doubt, looked up": lambda: after("lose", then=lambda model: model.passes(1)),
    "to be retried": lambda: after("not_sent"),
    "refused": lambda: after("refuse"),
    "delivered": lambda: after("answer", then=lambda model: model.calls_back(f"{NAME}/1", "delivered")),
    "stopped": lambda: after(then=lambda model: model.texts("STOP")),
}


@pytest.mark.parametrize("begin", BEGINNINGS.values(), ids=list(BEGINNINGS))
def test_no_short_story_breaks_the_promise(begin: Callable[[], Model]) -> None:
    """The number of states shows that the stories really happen: fewer would mean that something cannot happen."""
    assert explore(begin(), STEPS) > 200


@pytest.mark.slow
@pytest.mark.parametrize("begin", BEGINNINGS.values(), ids=list(BEGINNINGS))
def test_no_longer_story_breaks_the_promise(begin: Callable[[], Model]) -> None:
    assert explore(begin(), STEPS + 1) > 500


# Planted mistakes: the exploration must find each of them.


def sends_on_while_unknown(patch: pytest.MonkeyPatch) -> None:
    """Attempt n+1 is issued while n is unknown."""
    patch.setattr(
        settlement, "mark_unknown", lambda m, _policy, now: transitions.start_wait(m, WaitReason.BACK_OFF, now, now)
    )


def takes_absence_for_proof(patch: pytest.MonkeyPatch) -> None:
    """A list that does not show the message yet settles it."""

    def settle(m: MessageState, result: AttemptResult, _policy: Policy, now: datetime) -> MessageState:
        attempt = replace(m.attempts[-1], outcome=Outcome.NOT_SENT)
        return transitions.start_wait(replace(m, attempts=[*m.attempts[:-1], attempt]), WaitReason.BACK_OFF, now, now)

    patch.setattr(settlement, "apply_look_up", settle)


def sends_a_repeated_request(patch: pytest.MonkeyPatch) -> None:
    """A request under a known id is a new one."""

    def requested(
        asked: SendRequest, who: PersonState, source: SourceOffset, policy: Policy, now: datetime
    ) -> Decision:
        return changes.save_change(who, None, lifecycle.apply_request(asked, who, policy, now), source)

    patch.setattr(decide, "_on_request", requested)


def forgets_the_stop(patch: pytest.MonkeyPatch) -> None:
    """Consent is not asked before a dispatch."""
    patch.setattr(rules, "RULES", tuple(rule for rule in rules.RULES if rule is not check_opted_out))


def believes_the_last_answer(patch: pytest.MonkeyPatch) -> None:
    """An unknown answer, repeated after a crash, takes a certain one back."""
    patch.setattr(settlement, "_CERTAINTY", dict.fromkeys(settlement._CERTAINTY, 0) | {None: -1, Outcome.UNKNOWN: 5})


def ignores_callbacks_as_proof(patch: pytest.MonkeyPatch) -> None:
    """A callback with our attempt's id settles nothing."""
    patch.setattr(settlement, "accept_by_status", lambda attempt, _sid, _at: attempt)


def publishes_nothing_after_a_crash(patch: pytest.MonkeyPatch) -> None:
    """What was saved and not yet published is never published."""
    patch.setattr(decide, "repeat_all", lambda _person, _known: Decision())
    patch.setattr(decide, "repeat_with_twilio_opt_outs", lambda *_: Decision())


def replays_anything(patch: pytest.MonkeyPatch) -> None:
    """A replay is sent whatever became of the message."""
    patch.setattr(replays, "_replay_refusal", lambda *_: None)


def believes_the_last_status(patch: pytest.MonkeyPatch) -> None:
    """A late callback moves a status backwards."""
    patch.setattr(statuses, "add_report", lambda evidence, new: [*evidence, new])
    patch.setattr(statuses, "effective_report", lambda evidence: evidence[-1] if evidence else None)


def publishes_a_status_anew(patch: pytest.MonkeyPatch) -> None:
    """A status heard again takes the place of the first, under the same event id."""

    def add(evidence: list[StatusReport], new: StatusReport) -> list[StatusReport]:
        others = [old for old in evidence if (old.attempt, old.status) != (new.attempt, new.status)]
        return [*others, new]

    patch.setattr(statuses, "add_report", add)


MISTAKES: dict[Callable[[pytest.MonkeyPatch], None], str] = {
    sends_on_while_unknown: r"attempts \[1\] are open, and there is a next one",
    takes_absence_for_proof: "had ended",
    sends_a_repeated_request: "had ended",
    forgets_the_stop: "was dispatched after STOP",
    believes_the_last_answer: "is not settled",
    ignores_callbacks_as_proof: "is not settled",
    publishes_nothing_after_a_crash: "the dispatch of a/1 was lost|silently",
    replays_anything: "are open, and there is a next one",
    believes_the_last_status: "was delivered and is sent",
    publishes_a_status_anew: "has two contents",
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_a_mistake_is_found(mistake: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are of the shortest story that shows it: the promise broken first may be another than it is about."""
    begun = after("answer") if mistake is publishes_a_status_anew else after()
    mistake(monkeypatch)
    with pytest.raises(AssertionError, match=MISTAKES[mistake]):
        explore(begun, STEPS)
