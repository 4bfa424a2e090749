"""JSON request and response bodies of the control API."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def read_json(request: web.Request) -> dict[str, Any]:
    """The JSON object in a request; an empty body counts as an empty object.

    Raises:
        TypeError: The body is JSON, but not an object.
        ValueError: The body is not JSON.
    """
    body = await request.read()
    content = orjson.loads(body) if body else {}
    if not isinstance(content, dict):
        raise TypeError("a JSON object is needed")
    return content


def json_response(content: dict[str, Any], status: int = 200) -> web.Response:
    """A response with a JSON object."""
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")
