"""How a fault looks on the wire: answers that lie, come late, come in half, or never."""

import socket
import struct
from collections.abc import Callable

from aiohttp import web

from connectors.simulator.clock import SimulatorClock
from connectors.simulator.http.responses import ApiResponses
from connectors.simulator.model.api_errors import ApiError
from connectors.simulator.model.faults import Fault

_RESET = struct.pack("ii", 1, 0)


class FaultResponder:
    """Plays faults; `do` makes the request take effect and gives the answer it should have had."""

    def __init__(self, answers: ApiResponses, clock: SimulatorClock) -> None:
        self._answers = answers
        self._clock = clock

    async def answer(self, request: web.Request, fault: Fault, do: Callable[[], web.Response]) -> web.StreamResponse:
        """Answer a request whose body has been read. Source: https://www.twilio.com/docs/api/errors/20500"""
        match fault.name:
            case "429":
                return self._answers.refused(ApiError(20429))
            case "500_without_effect":
                return self._answers.refused(ApiError(20500))
            case "slow":
                await self._clock.sleep(fault.after)
                return do()
            case "hang" | "reset_after":
                return await self._leave(request, fault, do)
        return await self._spoil(request, fault, do())

    async def _spoil(self, request: web.Request, fault: Fault, right: web.Response) -> web.StreamResponse:
        match fault.name:
            case "accept_then_500":
                return self._answers.refused(ApiError(20500))
            case "accept_then_503":
                return self._answers.refused(ApiError(20503))
            case "garbage_201":
                return web.Response(status=201, body=b'{"sid": "SM', content_type="application/json")
            case "cut_201":
                return await _half(request, right)
            case "accept_then_drop":
                return cut(request, reset=False)
        raise AssertionError(fault.name)

    async def _leave(self, request: web.Request, fault: Fault, do: Callable[[], web.Response]) -> web.Response:
        if fault.accepted:
            do()
        if fault.name == "hang":
            await self._clock.sleep(fault.after)
        return cut(request, reset=fault.name == "reset_after")


async def _half(request: web.Request, right: web.Response) -> web.StreamResponse:
    """Promise the whole answer, give half of it, and hang up."""
    body = right.body if isinstance(right.body, bytes) else b""
    answer = web.StreamResponse(status=right.status, headers=right.headers)
    answer.content_length = len(body)
    await answer.prepare(request)
    await answer.write(body[: len(body) // 2])
    cut(request, reset=False)
    return answer


def cut(request: web.Request, *, reset: bool) -> web.Response:
    """End the connection without an answer: by an orderly close, or by a TCP reset."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if reset and connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort() if reset else transport.close()
    return web.Response(status=500)
