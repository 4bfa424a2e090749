"""A Schema Registry of a few lines, over HTTP: register, look up, compatibility (BACKWARD), as far as a client asks.

Ids are per schema text and shared by subjects, as in the real one.
Source of the paths and codes: https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

Answer = tuple[int, Any]
NOT_FOUND_SUBJECT: Answer = (404, {"error_code": 40401, "message": "Subject not found."})
NOT_FOUND_ID: Answer = (404, {"error_code": 40403, "message": "Schema not found"})


class RegistryServer:
    """What is registered, and every request's path."""

    def __init__(self) -> None:
        self.url = ""
        self.ids: dict[str, int] = {}
        self.subjects: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.broken = False

    def answer(self, method: str, path: str, body: Any) -> Answer:
        self.asked.append(path)
        if self.broken:
            return 500, {"error_code": 50001, "message": "Error in the backend data store"}
        match [unquote(part) for part in path.strip("/").split("/")]:
            case ["subjects", subject, "versions"] if method == "POST":
                return self._register(subject, body["schema"])
            case ["compatibility", "subjects", subject, "versions"]:
                return self._compatibility(subject, body["schema"])
            case ["schemas", "ids", schema_id]:
                found = [text for text, number in self.ids.items() if number == int(schema_id)]
                return (200, {"schema": found[0]}) if found else NOT_FOUND_ID
        return 404, {"error_code": 404, "message": f"HTTP 404 {path}"}

    def _register(self, subject: str, text: str) -> Answer:
        versions = self.subjects.setdefault(subject, [])
        if versions and not reads(text, versions[-1]):
            return 409, {"error_code": 409, "message": "Schema being registered is incompatible"}
        if text not in versions:
            versions.append(text)
        return 200, {"id": self.ids.setdefault(text, len(self.ids) + 1)}

    def _compatibility(self, subject: str, text: str) -> Answer:
        if subject not in self.subjects:
            return NOT_FOUND_SUBJECT
        return 200, {"is_compatible": reads(text, self.subjects[subject][-1])}


def reads(reader: str, writer: str) -> bool:
    """Whether records of one schema can be read by another: common fields keep their type, new ones have defaults."""
    old = {field["name"]: field["type"] for field in json.loads(writer)["fields"]}
    return all(
        field["type"] == old[field["name"]] if field["name"] in old else "default" in field
        for field in json.loads(reader)["fields"]
    )


@contextmanager
def serving() -> Iterator[RegistryServer]:
    """The registry on a loopback port."""
    registry = RegistryServer()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = registry.answer(self.command, urlsplit(self.path).path, body)
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = _serve  # noqa: N815  the names http.server looks for

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield registry
        server.shutdown()
        thread.join()
