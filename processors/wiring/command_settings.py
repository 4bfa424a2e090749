"""The settings of one command, and the error a person reads when they cannot be used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import click

from processors.settings.logging_setup import configure_logging, quiet_logging
from processors.settings.model import Settings, SettingsError, load_settings

RUNNING_FILE = "running.json"
"""In the data directory while ``smsflow up`` runs: the settings of its roles, as variables."""


class InvalidSettings(click.ClickException):
    """Settings that are wrong or missing: one line for each, with its fix."""

    exit_code = 2

    def __init__(self, problems: str) -> None:
        lines = "\n".join(f"  {line}" for line in problems.splitlines())
        super().__init__(f"settings:\n{lines}")


def command_settings(context: click.Context) -> Settings:
    """The settings of this command, from ``--config`` and the environment.

    Raises:
        InvalidSettings: A setting is unknown or has a wrong value.
    """
    config = context.find_root().obj
    try:
        return load_settings(config if isinstance(config, Path) else None)
    except SettingsError as error:
        raise InvalidSettings(str(error)) from None


def client_settings(context: click.Context) -> Settings:
    """As ``command_settings``, for a command that talks to a running system and then ends.

    Where the settings name no broker, those of a running ``smsflow up`` in the same data directory are used.

    Raises:
        InvalidSettings: A setting is unknown or has a wrong value.
    """
    quiet_logging()
    settings = command_settings(context)
    running_file = settings.data_dir / RUNNING_FILE
    if "broker" in settings.model_fields_set or not running_file.exists():
        return settings
    variables: dict[str, str] = json.loads(running_file.read_text("utf-8"))
    try:
        return load_settings(environ=variables | settings.environment())
    except SettingsError as error:
        raise InvalidSettings(f"{error}\n(with those of the running smsflow up, {running_file})") from None


def role_settings(context: click.Context, role: str) -> Settings:
    """As ``command_settings``, with logging set up for a process that runs until it is stopped.

    Raises:
        InvalidSettings: A setting is unknown or has a wrong value.
    """
    settings = command_settings(context)
    configure_logging(role, settings.log_level)
    return settings


def require(settings: Settings, command: str, fields: Sequence[str]) -> None:
    """Check that none of these settings is empty.

    Args:
        settings: What is checked.
        command: Who needs them, for the error: what follows ``smsflow``.
        fields: Settings by their dotted names, like ``twilio.public_url``.

    Raises:
        InvalidSettings: Some are empty; all of these are named.
    """
    missing = [field for field in fields if not reduce(getattr, field.split("."), settings)]
    if missing:
        named = [f"{field} (SMSFLOW_{field.replace('.', '_').upper()})" for field in missing]
        raise InvalidSettings("\n".join(f"{name}: needed by smsflow {command}" for name in named))
