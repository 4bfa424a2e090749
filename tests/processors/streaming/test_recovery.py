"""The source partitions are resumed when everything else is done."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from faust.tables.recovery import Recovery
from faust.types import TP

from processors.streaming.app import StageApp
from processors.streaming.recovery import StageRecovery
from processors.streaming.transport import StageConsumer, consumer_of
from tests.processors.streaming.conftest import BuildApp

SOURCE, GENERATION = TP("sms-requests", 0), 5


@pytest.fixture
async def app(build_app: BuildApp) -> StageApp:
    app = build_app()
    app.consumer_generation_id = GENERATION
    return app


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Faust does at the end of a recovery, as far as the order matters."""
    steps: list[str] = []

    async def upstream(self: Recovery, generation_id: int = 0) -> None:
        self.app.consumer.resume_partitions({SOURCE})
        await asyncio.sleep(0)
        steps.append("queues emptied")

    monkeypatch.setattr(Recovery, "on_recovery_completed", upstream)
    monkeypatch.setattr(Recovery, "_resume_streams", upstream)
    return steps


def resumed(app: StageApp) -> bool:
    return SOURCE in consumer_of(app)._active_partitions


async def complete(recovery: Any, method: str, generation: int) -> None:
    await getattr(recovery, method)(generation)


METHODS = pytest.mark.parametrize("method", ["on_recovery_completed", "_resume_streams"])


@METHODS
async def test_partitions_are_resumed_after_the_queues_are_emptied(
    app: StageApp, steps: list[str], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resume = StageConsumer.resume_partitions

    def noted(self: StageConsumer, tps: Any) -> None:
        resume(self, tps)
        if resumed(app):
            steps.append("resumed")

    monkeypatch.setattr(StageConsumer, "resume_partitions", noted)

    await complete(app.tables.recovery, method, GENERATION)  # type: ignore[attr-defined]  # Faust's own type lacks it

    assert steps == ["queues emptied", "resumed"]


@METHODS
async def test_nothing_is_resumed_when_another_rebalance_came_between(
    app: StageApp, steps: list[str], method: str
) -> None:
    await complete(app.tables.recovery, method, GENERATION - 1)  # type: ignore[attr-defined]

    assert not resumed(app)


async def test_nothing_is_resumed_after_an_error_and_the_next_recovery_resumes(
    app: StageApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Recovery, generation_id: int = 0) -> None:
        self.app.consumer.resume_partitions({SOURCE})
        raise LookupError

    monkeypatch.setattr(Recovery, "on_recovery_completed", fail)
    with pytest.raises(LookupError):
        await complete(app.tables.recovery, "on_recovery_completed", GENERATION)  # type: ignore[attr-defined]
    assert not resumed(app)

    app.consumer.resume_partitions({SOURCE})
    assert resumed(app)


async def test_an_app_recovers_its_tables_this_way(app: StageApp) -> None:
    recovery = app.tables.recovery  # type: ignore[attr-defined]
    assert isinstance(recovery, StageRecovery)
    assert app.tables.recovery is recovery  # type: ignore[attr-defined]
