"""Twilio's own OpenAPI description of the Message resource, and a third party's validator that judges by it.

The description lies beside the repository, in ``../shared/data/twilio-openapi`` or where TWILIO_OPENAPI_DIR says: from
https://github.com/twilio/twilio-oai, unchanged. What it leaves out is added here, each with its source, so that
client and simulator are held to more than it says, never to less; what it contradicts itself in is taken as its
examples have it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse
from werkzeug.datastructures import ImmutableMultiDict

FOLDER = Path(os.environ.get("TWILIO_OPENAPI_DIR", Path(__file__).parents[3] / "shared/data/twilio-openapi"))
HOST = "https://api.twilio.com"
FORM = "application/x-www-form-urlencoded"

# https://www.twilio.com/docs/usage/twilios-response#response-formats-exceptions
_ERROR: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "code": {"type": "integer", "minimum": 10000},
        "message": {"type": "string", "minLength": 1},
        "more_info": {"type": "string", "pattern": r"^https://www\.twilio\.com/docs/errors/\d{5}$"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
    },
}
# Called date-time and shown as a day; the SDK makes a midnight of a date, and passes text on as it is.
_DAY = r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}Z)?$"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with its response, as they were on the wire. ``query`` is raw."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    response_body: bytes
    response_type: str

    @property
    def request(self) -> MockRequest:
        request = MockRequest(
            HOST,
            self.method,
            self.path,
            headers=dict(self.headers),
            data=self.body,
            content_type=self.headers.get("Content-Type", "").partition(";")[0],
        )
        request.parameters.query = ImmutableMultiDict(parse_qsl(self.query, keep_blank_values=True))
        return request

    @property
    def response(self) -> MockResponse:
        return MockResponse(self.response_body, self.status, content_type=self.response_type)


class OpenApiChecker:
    """Checks requests and responses against an OpenAPI description."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        formats: dict[str, Callable[[Any], bool]] = {
            "phone-number": _is_sender,
            "date-time-rfc-2822": _is_rfc_2822,
            "currency": _is_currency,
        }
        self._openapi = OpenAPI.from_dict(
            description,
            config=Config(
                extra_format_validators=formats,
                additional_properties_default_policy="forbid",
                response_properties_default_policy="required",
            ),
        )
        self._names = {
            (path, method): {"query": _queries(operation), "form": _fields(operation)}
            for path, method, operation in _operations(description)
        }

    def request(self, exchange: Exchange) -> list[str]:
        """What is wrong with a request; empty: nothing."""
        return [*self._strange_names(exchange), *_errors(lambda: self._openapi.validate_request(exchange.request))]

    def response(self, exchange: Exchange) -> list[str]:
        """What is wrong with a response; empty: nothing."""
        return list(_errors(lambda: self._openapi.validate_response(exchange.request, exchange.response)))

    def _strange_names(self, exchange: Exchange) -> Iterator[str]:
        """Parameters and fields that are not described; the validator does not report them."""
        described = self._names[_pattern(exchange.path), exchange.method.lower()]
        for where, text in (("query", exchange.query), ("form", exchange.body.decode())):
            for name, _ in parse_qsl(text, keep_blank_values=True):
                if name not in described[where]:
                    yield f"{name} is not described in the {where}"


def _operations(description: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            if isinstance(operation, dict) and "operationId" in operation:
                yield path, method, operation


def _queries(operation: Mapping[str, Any]) -> set[str]:
    return {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}


def _fields(operation: Mapping[str, Any]) -> set[str]:
    return (
        set(operation["requestBody"]["content"][FORM]["schema"]["properties"]) if "requestBody" in operation else set()
    )


def _pattern(path: str) -> str:
    one = re.sub(r"/Messages/[^/]+\.json$", "/Messages/{Sid}.json", path)
    return re.sub(r"/Accounts/[^/]+/", "/Accounts/{AccountSid}/", one)


def _errors(validate: Callable[[], None]) -> Iterator[str]:
    try:
        validate()
    except OpenAPIError as error:
        cause = error.__cause__
        details = [f"{'.'.join(map(str, each.path))}: {each.message}" for each in getattr(cause, "schema_errors", ())]
        yield f"{error}: {'; '.join(details) or cause}"


@cache
def openapi_checker() -> OpenApiChecker:
    """A checker with Twilio's description; skips the calling test where the description is missing."""
    return OpenApiChecker(completed(described()))


def described() -> dict[str, Any]:
    """The description as published."""
    path = FOLDER / "messages.json"
    if not path.exists():
        pytest.skip(f"Twilio's OpenAPI description is not there: {path}")
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def completed(description: dict[str, Any]) -> dict[str, Any]:
    """The description with error answers, and with days where it says date-time and shows days."""
    for _path, _method, operation in _operations(description):
        _complete(operation)
    message = description["components"]["schemas"]["api.v2010.account.message"]["properties"]
    message["subresource_uris"] = {"type": "object", "additionalProperties": {"type": "string"}}
    message["num_segments"] |= {"pattern": r"^\d+$"}
    message["num_media"] |= {"pattern": r"^\d+$"}
    message["price"] |= {"pattern": r"^-?\d+\.\d+$"}
    return description


def _complete(operation: dict[str, Any]) -> None:
    error = {"description": "An error.", "content": {"application/json": {"schema": dict(_ERROR)}}}
    operation["responses"] |= {"4XX": error, "5XX": error}
    for parameter in operation.get("parameters", ()):
        if parameter["name"].startswith("DateSent"):
            parameter["schema"] = {"type": "string", "pattern": _DAY}


def published(description: Mapping[str, Any]) -> Iterator[tuple[str, str, int, Any]]:
    """Path, method, status and body of every example answer in the description."""
    for path, method, operation in _operations(description):
        for status, response in operation["responses"].items():
            for content in response.get("content", {}).values():
                for example in content.get("examples", {}).values():
                    yield path, method, int(status), example["value"]


def _is_sender(text: object) -> bool:
    """A number in E.164, a short code, or an alphanumeric sender: all three are called phone-number."""
    return isinstance(text, str) and bool(re.fullmatch(r"\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[\w ]{1,11}", text))


def _is_rfc_2822(text: object) -> bool:
    try:
        return isinstance(text, str) and text.endswith(" +0000") and parsedate_to_datetime(text) is not None
    except ValueError:
        return False


def _is_currency(text: object) -> bool:
    return isinstance(text, str) and bool(re.fullmatch(r"[A-Za-z]{3}", text))
