"""The demo's view of the simulator: its control API, over HTTP as anybody would use it."""

from __future__ import annotations

import json
from typing import Any

import aiohttp


class SimulatorClient:
    """The control API at ``base_url``."""

    def __init__(self, base_url: str, session: aiohttp.ClientSession) -> None:
        self._base = base_url
        self._session = session

    async def ledger(self) -> list[dict[str, Any]]:
        """Every message it knows."""
        async with self._session.get(f"{self._base}/sim/ledger") as answer:
            answer.raise_for_status()
            return [json.loads(line) for line in (await answer.text()).splitlines()]

    async def calm(self) -> bool:
        """Whether every message is final, priced where it ever will be, and every callback posted."""
        async with self._session.get(f"{self._base}/sim/summary") as answer:
            answer.raise_for_status()
            summary = await answer.json()
        return bool(summary["open"] == 0 and summary["due"] == 0)

    async def say(self, person: str, to: str, body: str) -> None:
        """Let a person text one of our numbers."""
        async with self._session.post(
            f"{self._base}/sim/inbound", json={"from": person, "to": to, "body": body}
        ) as answer:
            answer.raise_for_status()
