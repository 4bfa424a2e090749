"""The senders of the simulated Twilio account that one-machine mode and the demo use."""

from __future__ import annotations

import json

POOL = ("+12025550100", "+12025550101", "+12025550102", "+12025550103", "+18335550100", "55555")
"""Fictional numbers: ordinary ones, a toll-free number and a short code."""


def senders_variable() -> str:
    """The senders as the value of ``SMSFLOW_SENDERS``."""
    return json.dumps([{"id": sender, "number_type": _number_type(sender), "mps": 100} for sender in POOL])


def _number_type(sender: str) -> str:
    if not sender.startswith("+"):
        return "short_code"
    return "toll_free" if sender.startswith("+1833") else "10dlc"
