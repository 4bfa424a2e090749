"""Apps that are never started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from processors.streaming.app import AppConfig, StageApp
from processors.streaming.transport import consumer_of

BuildApp = Callable[..., StageApp]


@pytest.fixture
def build_app(tmp_path: Path) -> Iterator[BuildApp]:
    """Builds apps with settings of ``AppConfig``; closes the event loops their consumers' threads made."""
    apps: list[StageApp] = []

    def build(**settings: Any) -> StageApp:
        config = AppConfig(broker="127.0.0.1:1", data_dir=tmp_path, instance_id="a", **settings)
        apps.append(StageApp("test", config))
        return apps[-1]

    yield build
    for app in apps:
        if app._consumer is not None:
            consumer_of(app)._thread.thread_loop.close()
