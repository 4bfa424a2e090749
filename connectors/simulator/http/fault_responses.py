"""How each fault looks to the client: responses that are wrong, late or incomplete, and closed connections."""

import socket
import struct
from collections.abc import Callable

from aiohttp import web

from connectors.simulator.clock import SimulatedClock
from connectors.simulator.http.responses import ApiResponses
from connectors.simulator.model.api_errors import ApiError
from connectors.simulator.model.faults import Fault

# struct linger: on, 0 seconds. Closing the socket then sends RST instead of FIN.
_LINGER_ZERO = struct.pack("ii", 1, 0)


class FaultResponder:
    """Responds to the requests that a fault affects."""

    def __init__(self, responses: ApiResponses, clock: SimulatedClock) -> None:
        self._responses = responses
        self._clock = clock

    async def respond(
        self, request: web.Request, fault: Fault, serve: Callable[[], web.Response]
    ) -> web.StreamResponse:
        """Respond to a request whose body has been read.

        Args:
            request: The request.
            fault: The fault that affects it.
            serve: Makes the request take effect, and returns its correct response.

        Source: https://www.twilio.com/docs/api/errors/20500
        """
        match fault.name:
            case "429":
                return self._responses.error(ApiError(20429))
            case "500_without_effect":
                return self._responses.error(ApiError(20500))
            case "slow":
                await self._clock.sleep(fault.after)
                return serve()
            case "hang" | "reset_after":
                return await self._end_without_response(request, fault, serve)
        return await self._respond_wrongly(request, fault, serve())

    async def _respond_wrongly(self, request: web.Request, fault: Fault, correct: web.Response) -> web.StreamResponse:
        match fault.name:
            case "accept_then_500":
                return self._responses.error(ApiError(20500))
            case "accept_then_503":
                return self._responses.error(ApiError(20503))
            case "garbage_201":
                return web.Response(status=201, body=b'{"sid": "SM', content_type="application/json")
            case "cut_201":
                return await _send_half(request, correct)
            case "accept_then_drop":
                return close_connection(request, reset=False)
        raise AssertionError(fault.name)

    async def _end_without_response(
        self, request: web.Request, fault: Fault, serve: Callable[[], web.Response]
    ) -> web.Response:
        if fault.accepted:
            serve()
        if fault.name == "hang":
            await self._clock.sleep(fault.after)
        return close_connection(request, reset=fault.name == "reset_after")


async def _send_half(request: web.Request, correct: web.Response) -> web.StreamResponse:
    """Announce the whole body, send half of it, and close the connection."""
    body = correct.body if isinstance(correct.body, bytes) else b""
    response = web.StreamResponse(status=correct.status, headers=correct.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    close_connection(request, reset=False)
    return response


def close_connection(request: web.Request, *, reset: bool) -> web.Response:
    """Close the connection without a response, by TCP FIN or RST.

    Returns:
        A placeholder for aiohttp, which finds the connection closed and sends nothing.
    """
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if reset and connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort() if reset else transport.close()
    return web.Response(status=500)
