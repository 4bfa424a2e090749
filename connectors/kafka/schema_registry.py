"""Checks this project's Avro schemas at a Confluent Schema Registry and registers them, before anything starts.

Subjects follow TopicNameStrategy: ``<topic>-value``. How strictly a subject is checked is the registry's setting; its
default is BACKWARD: this release reads what the release before it wrote.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from connectors.kafka.errors import IncompatibleSchema, SchemaRegistryError
from schemas.avro_schemas import AvroFile, avro_files
from schemas.codec import Codec
from schemas.topics import REGISTRY, Topic

T = TypeVar("T")
_UNKNOWN_SUBJECT = {40401, 40402}  # the registry's error codes: subject not found, version not found
_UNKNOWN_ID = {40403}
_CONFLICT = 409
_CLIENT = {"timeout": 10, "max.retries": 2, "retries.wait.ms": 200}
_CACHED_IDS = 1024


def registered_codec(url: str, topics: Iterable[Topic] = REGISTRY) -> Codec:
    """A codec that writes the registry's schema ids and looks unknown ids up there.

    Args:
        url: See ``SchemaRegistry``.
        topics: The topics whose schemas are registered first.

    Raises:
        IncompatibleSchema: A schema fails its subject's compatibility check; nothing was registered.
        SchemaRegistryError: The registry refuses or does not answer, or its client is not installed.
    """
    registry = SchemaRegistry(url)
    ids = registry.register(topics)
    return Codec(ids, registry.find)


class SchemaRegistry:
    """One Schema Registry.

    Args:
        url: Its address, which may have ``user:password@`` in it; several addresses separated by commas.

    Raises:
        SchemaRegistryError: The registry's client is not installed, or ``url`` is not a URL.
    """

    def __init__(self, url: str) -> None:
        try:
            from confluent_kafka.schema_registry import SchemaRegistryClient
        except ImportError as error:
            raise SchemaRegistryError(f"a Schema Registry needs: pip install 'smsflow[registry]' ({error})") from error
        self._url = _without_password(url)
        try:
            self._client = SchemaRegistryClient({"url": url, **_CLIENT})
        except ValueError as error:
            raise SchemaRegistryError(f"Schema Registry {self._url}: {error}") from error
        self.find = lru_cache(_CACHED_IDS)(self._find)
        """Schema id → the schema registered under it, None if there is none. Each id is requested once."""

    def register(self, topics: Iterable[Topic] = REGISTRY) -> Mapping[str, int]:
        """Register the newest schema of each topic's record.

        Returns:
            The schema id by record name.

        Raises:
            IncompatibleSchema: A schema fails its subject's compatibility check; nothing was registered.
            SchemaRegistryError: The registry refuses or does not answer.
        """
        wanted = [(f"{topic.name}-value", _newest_files()[topic.record.__name__]) for topic in topics]
        problems = [problem for subject, file in wanted if (problem := self._problem(subject, file))]
        if problems:
            raise IncompatibleSchema(_advice(self._url, problems))
        return {file.name: self._register(subject, file) for subject, file in wanted}

    def close(self) -> None:
        """Close the connections; ``find`` cannot be used afterwards."""
        self._client.close()

    def _problem(self, subject: str, file: AvroFile) -> str | None:
        def is_compatible() -> bool:
            return bool(self._client.test_compatibility_all_versions(subject, _schema(file)))

        if self._ask(subject, is_compatible, unless=_UNKNOWN_SUBJECT) is False:
            return f"{subject}: {file.name} version {file.version}"
        return None

    def _register(self, subject: str, file: AvroFile) -> int:
        registered = self._ask(subject, lambda: int(self._client.register_schema(subject, _schema(file))))
        assert registered is not None
        return registered

    def _find(self, schema_id: int) -> Any:
        found = self._ask(f"id {schema_id}", lambda: self._client.get_schema(schema_id), unless=_UNKNOWN_ID)
        if found is None or found.schema_type != "AVRO":  # JSON or Protobuf: not a record of this project
            return None
        assert found.schema_str is not None  # the registry answers an id with its schema
        return json.loads(found.schema_str)

    def _ask(self, what: str, request: Callable[[], T], unless: Collection[int | None] = ()) -> T | None:
        """The registry's answer to a request; None if it answers with an error code among ``unless``."""
        try:
            return request()
        except Exception as error:  # the client also raises errors of its HTTP library, which has no stable name
            if getattr(error, "error_code", None) in unless:
                return None
            if getattr(error, "http_status_code", None) == _CONFLICT:
                raise IncompatibleSchema(_advice(self._url, [f"{what}: {error}"])) from error
            raise SchemaRegistryError(f"Schema Registry {self._url}: {what}: {error!r}") from error


def _newest_files() -> Mapping[str, AvroFile]:
    return {file.name: file for file in avro_files()}  # a newer version comes later and wins


def _schema(file: AvroFile) -> Any:
    from confluent_kafka.schema_registry import Schema

    return Schema(file.text, "AVRO")


def _advice(url: str, problems: Iterable[str]) -> str:
    lines = "\n".join(f"  {problem}" for problem in problems)
    return (
        f"the Schema Registry {url} says that this release cannot read records that are on the topics:\n{lines}\n"
        "Add a new version of the .avsc file in which every new field has a default and every old field keeps its name "
        "and type. Or run the release that wrote the latest version."
    )


def _without_password(url: str) -> str:
    return ",".join(address.rpartition("@")[2] for address in url.split(","))
