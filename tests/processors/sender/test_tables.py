"""What the sender stage's tables contain."""

from __future__ import annotations

from schemas.states import AttemptPhase, SenderAttempt
from tests.builders import dispatch
from tests.processors.sender.harness import CODEC, MemoryStore, Worker, World, named


async def test_what_is_in_the_tables_reads_as_the_schemas_say(world: World, worker: Worker) -> None:
    await worker.give(dispatch())
    world.revocations.stale_because = "lost touch"
    await worker.give(named("waits"))

    intent = CODEC.decode(SenderAttempt, world.attempts.rows[b"intent|m1/1"])
    queued = CODEC.decode(SenderAttempt, world.attempts.rows[b"queue|waits/1"])
    assert (intent.phase, intent.command) == (AttemptPhase.INTENT, None)
    assert (queued.phase, queued.command) == (AttemptPhase.QUEUED, named("waits"))


def test_a_store_is_scanned_in_the_order_of_its_keys() -> None:
    store = MemoryStore()
    store.rows = {b"queue|2": b"", b"intent|1": b"", b"queue|1": b""}

    assert [key for key, _ in store.scan(0, b"queue|", b"queue}")] == [b"queue|1", b"queue|2"]
