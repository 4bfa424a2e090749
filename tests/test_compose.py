"""docker-compose.yml where no Docker engine is at hand: against the Compose specification, our CLI and our settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from connectors.kafka.embedded.broker import KAFKA_VERSION
from processors.cli import cli
from processors.settings.model import Settings, load_settings
from processors.settings.sources import variables

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
# From https://github.com/compose-spec/compose-spec (schema/compose-spec.json), Apache-2.0.
SPECIFICATION: dict[str, Any] = json.loads((ROOT / "tests/data/compose-spec.json").read_text("utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service.get("image") == "smsflow"}
SECRETS = re.compile(r"TOKEN|SECRET|PASSWORD|API_KEY|ACCOUNT_SID")
_VARIABLE = re.compile(r"\$\{(\w+)(?::?[-?]([^}]*))?\}")


def test_the_file_follows_the_compose_specification() -> None:
    jsonschema.validate(COMPOSE, SPECIFICATION)


def test_the_specification_is_strict_enough_to_catch_a_misspelling() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**COMPOSE, "services": {"kafka": {"imago": "apache/kafka"}}}, SPECIFICATION)


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_command_is_one_the_cli_takes(name: str) -> None:
    parse(cli, list(OURS[name]["command"]))


def test_a_command_the_cli_does_not_take_is_noticed() -> None:
    with pytest.raises(click.UsageError):
        parse(cli, ["worker", "persona"])


def parse(command: click.Command, words: list[str]) -> None:
    """Read these words as the command would, without running anything."""
    with command.make_context(command.name, list(words)) as context:
        rest = [*context._protected_args, *context.args]
        if isinstance(command, click.Group):
            _, found, left = command.resolve_command(context, rest)
            assert found is not None
            parse(found, left)
        else:
            assert not rest


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_setting_exists_and_its_default_is_accepted(name: str) -> None:
    environ = {key: defaulted(str(value)) for key, value in OURS[name]["environment"].items()}
    assert set(environ) <= set(variables(Settings))
    load_settings(environ=environ)


def defaulted(value: str) -> str:
    """The value where only the variables without a default are given."""
    examples = {"SMSFLOW_PUBLIC_URL": "https://sms.example.com"}
    return _VARIABLE.sub(
        lambda found: found[2] if found[2] is not None and ":-" in found[0] else examples.get(found[1], "given"),
        value,
    )


def test_every_role_runs_and_says_when_it_is_healthy() -> None:
    commands = {" ".join(service["command"]) for service in OURS.values()}
    assert commands == {
        "topics apply", "migrate", "worker person", "worker sender", "ingest", "sink", "simulator",
    }  # fmt: skip
    jobs = {"topics", "migrate"}
    for name, service in COMPOSE["services"].items():
        assert ("test" in service["healthcheck"]) is (name not in jobs), name


def test_no_secret_stands_in_the_file() -> None:
    for name, service in COMPOSE["services"].items():
        for key, value in service.get("environment", {}).items():
            if SECRETS.search(key):
                assert str(value).startswith("${"), f"{name}: {key}"


def test_a_secret_that_is_missing_stops_the_start() -> None:
    """An empty token would be no token at all."""
    given = OURS["sender-worker"]["environment"]
    assert given["SMSFLOW_TWILIO_AUTH_TOKENS"].startswith("${SMSFLOW_TWILIO_AUTH_TOKENS:?")


def test_workers_keep_their_tables_and_share_no_membership() -> None:
    for name in ("person-worker", "sender-worker"):
        assert "{hostname}" in OURS[name]["environment"]["SMSFLOW_WORKER_INSTANCE_ID"]
        assert OURS[name]["volumes"] == ["/var/lib/smsflow"]


def test_the_broker_is_the_one_that_is_tested() -> None:
    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


def test_the_simulator_runs_only_when_asked_for() -> None:
    assert [name for name, service in COMPOSE["services"].items() if "profiles" in service] == ["simulator"]
