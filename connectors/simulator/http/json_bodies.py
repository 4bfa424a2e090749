"""JSON in and out of the control API."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def read_json(request: web.Request) -> dict[str, Any]:
    """The JSON object in a request; an empty body is an empty one. Raises TypeError or ValueError if it is neither."""
    body = await request.read()
    content = orjson.loads(body) if body else {}
    if not isinstance(content, dict):
        raise TypeError("a JSON object is needed")
    return content


def json_response(content: dict[str, Any], status: int = 200) -> web.Response:
    """An answer of the control API."""
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")
