"""The check of calls finds each kind of bad call: a check that passes everything would prove nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from processors.streaming.partitioner import partition_of
from schemas.states import AttemptPhase, SenderAttempt
from tests.crash.calls import Pause, bad_calls
from tests.crash.proxy import RecordedCall, RequestSplitter
from tests.crash.tuning import PARTITIONS

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
SENDER = "+12025550100"
LIFE = timedelta(seconds=2)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def call(at: datetime = NOON, worker: str = "sender-1", attempt_id: str = "m/1") -> RecordedCall:
    return RecordedCall(worker, at, attempt_id, SENDER)


def intent(at: datetime = NOON, attempt_id: str = "m/1") -> SenderAttempt:
    return SenderAttempt(
        attempt_id=attempt_id, phase=AttemptPhase.INTENT, intent_at=at, intent_until=at + LIFE, delete_after=at
    )


def first_then_second(partition: int, at: datetime) -> str | None:
    """Sender-1 owns the sender's partition until three seconds past noon, sender-2 from five on."""
    assert partition == partition_of(SENDER.encode(), PARTITIONS)
    if at < NOON + seconds(3):
        return "smsflow-sender-1"
    return "smsflow-sender-2" if at >= NOON + seconds(5) else None


def why(*calls: RecordedCall, intents: dict[str, list[SenderAttempt]], pauses: tuple[Pause, ...] = ()) -> list[str]:
    return [bad.why for bad in bad_calls(calls, first_then_second, intents, pauses, {"m/1": NOON})]


def test_a_call_by_the_owner_on_a_living_intent_is_fine() -> None:
    assert not why(call(NOON + seconds(0.1)), intents={"m/1": [intent()]})


def test_a_call_for_a_partition_that_is_lost_is_bad() -> None:
    late = NOON + seconds(5.5)

    (found,) = why(call(late), intents={"m/1": [intent(late)]})

    assert "owned by smsflow-sender-2" in found


def test_a_call_while_the_partition_is_nobodys_is_bad() -> None:
    late = NOON + seconds(4)

    (found,) = why(call(late), intents={"m/1": [intent(late)]})

    assert "owned by nobody" in found


def test_a_call_on_an_expired_intent_is_bad_and_so_is_one_without_an_intent() -> None:
    late = call(NOON + seconds(6), worker="sender-2")

    assert ["its intents ended" in found for found in why(late, intents={"m/1": [intent()]})] == [True]
    assert why(late, intents={}) == ["it had no intent"]


def test_a_second_call_of_one_attempt_is_bad() -> None:
    found = why(call(), call(NOON + seconds(0.5)), intents={"m/1": [intent()]})

    assert found == ["the attempt was called before"]


def test_a_worker_frozen_between_its_check_and_the_write_cannot_know() -> None:
    late = NOON + seconds(6)
    asleep = Pause("sender-1", NOON, NOON + seconds(5.9))

    assert not why(call(late), intents={"m/1": [intent()]}, pauses=(asleep,))
    other = Pause("sender-2", NOON, NOON + seconds(5.9))
    assert len(why(call(late), intents={"m/1": [intent()]}, pauses=(other,))) == 2


def test_requests_are_heard_whole_however_the_stream_is_cut() -> None:
    heard: list[tuple[bytes, bytes]] = []
    first, second = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"GET /b HTTP/1.1\r\n\r\n"
    stream = first + second + b"POST /c HTTP/1.1\r\ncontent-length:1\r\n\r\nx"

    requests = RequestSplitter(lambda head, body: heard.append((head.split()[1], body)))
    for start in range(0, len(stream), 7):
        requests.feed(stream[start : start + 7])

    assert heard == [(b"/a", b"abc"), (b"/b", b""), (b"/c", b"x")]
