"""Logging: one line for each event, to standard error, where a supervisor or a container runtime reads it."""

from __future__ import annotations

import logging
import sys
import time

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)-8s {role} %(name)s: %(message)s"
# At INFO these log every rebalance and metadata refresh, and nothing an operator can act on.
_CHATTY = ("aiokafka", "faust", "mode", "clickhouse_connect", "urllib3", "aiohttp.access", "twilio")


def configure_logging(role: str, level: str = "INFO") -> None:
    """Send this process's log to standard error, with times in UTC. Replaces any earlier set-up.

    Args:
        role: Stands in every line.
        level: The lowest level that is logged.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_utc(logging.Formatter(_FORMAT.format(role=role), datefmt="%Y-%m-%dT%H:%M:%S")))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


def quiet_logging() -> None:
    """Set up logging for a short command, which reports its problems itself, as its error text."""
    configure_logging("smsflow", "WARNING")
    logging.getLogger("connectors.kafka").setLevel(logging.CRITICAL)


def _utc(formatter: logging.Formatter) -> logging.Formatter:
    formatter.converter = time.gmtime
    return formatter
