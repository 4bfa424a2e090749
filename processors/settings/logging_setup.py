"""Logging: one line a record, to standard error, where a supervisor or a container runtime picks it up."""

from __future__ import annotations

import logging
import sys
import time

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)-8s {role} %(name)s: %(message)s"
# They log what is no news (every rebalance, every metadata refresh) at INFO, and nothing an operator can act on.
_CHATTY = ("aiokafka", "faust", "mode", "clickhouse_connect", "urllib3", "aiohttp.access", "twilio")


def configure_logging(role: str, level: str = "INFO") -> None:
    """Send this process's log to standard error, in UTC; ``role`` stands in every line. Replaces what was set up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_utc(logging.Formatter(_FORMAT.format(role=role), datefmt="%Y-%m-%dT%H:%M:%S")))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


def quiet_logging() -> None:
    """For a command that a person waits for: what matters it says itself, as its error."""
    configure_logging("smsflow", "WARNING")
    logging.getLogger("connectors.kafka").setLevel(logging.CRITICAL)


def _utc(formatter: logging.Formatter) -> logging.Formatter:
    formatter.converter = time.gmtime
    return formatter
