"""Client of the simulator's control API, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import aiohttp


class SimulatorClient:
    """The control API of the simulator at ``base_url``.

    Every method raises ``aiohttp.ClientError`` when the simulator cannot be reached or answers with an error.
    """

    def __init__(self, base_url: str, session: aiohttp.ClientSession) -> None:
        self._base_url = base_url
        self._session = session

    async def ledger(self) -> list[dict[str, Any]]:
        """Every row of the ledger, in order of acceptance; docs/simulator.md lists the keys."""
        lines = (await self._get("/sim/ledger")).splitlines()
        return [json.loads(line) for line in lines]

    async def is_settled(self) -> bool:
        """Whether every message is final, has its price if it will have one, and every callback was posted."""
        summary = json.loads(await self._get("/sim/summary"))
        return bool(summary["open"] == 0 and summary["due"] == 0)

    async def send_inbound(self, person: str, to: str, body: str) -> None:
        """Let a person send a text to one of our numbers."""
        text = {"from": person, "to": to, "body": body}
        async with self._session.post(f"{self._base_url}/sim/inbound", json=text) as response:
            response.raise_for_status()

    async def _get(self, path: str) -> str:
        async with self._session.get(self._base_url + path) as response:
            response.raise_for_status()
            return await response.text()
