"""The load of a demo: real texts, fictional people, several tenants and campaigns."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from itertools import cycle, islice
from pathlib import Path

from processors.local.simulated_senders import POOL
from schemas.enums import MessageClass
from schemas.records import SendRequest

# Numbers reserved for fiction: 555-0100 to 555-0199 of every North American area code
# (https://nationalnanpa.com/number_resource_info/555_numbers.html), 07700 900000 to 900999
# (https://www.ofcom.org.uk/phones-and-broadband/phone-numbers/numbers-for-drama).
AREA_CODES = (
    "201", "202", "206", "212", "213", "214", "215", "216", "301", "302", "303", "305", "307", "312", "313", "314",
    "317", "401", "402", "404", "405", "406", "410", "412", "415", "416", "502", "503", "504", "505", "512", "514",
    "601", "602", "603", "604", "605", "612", "615", "617", "701", "702", "703", "704", "713", "801", "802", "803",
    "808", "901", "907", "913",
)  # fmt: skip
_BRITISH = 800

CAMPAIGNS = (
    ("acme", "sign-in", MessageClass.OTP),
    ("acme", "order-updates", MessageClass.TRANSACTIONAL),
    ("globex", "spring-sale", MessageClass.MARKETING),
    ("globex", "support", MessageClass.CONVERSATION),
    ("initech", "reminders", MessageClass.TRANSACTIONAL),
)
STOP_SHARE = 0.02
"""Share of the messages whose people say STOP in the middle."""


def people() -> list[str]:
    """6,000 fictional numbers, shuffled, in the same order in every run."""
    american = [f"+1{area}55501{last:02d}" for area in AREA_CODES for last in range(100)]
    british = [f"+447700900{last:03d}" for last in range(_BRITISH)]
    found = [number for number in american if number not in POOL] + british
    random.Random(20).shuffle(found)  # noqa: S311  the same mix in every run, not a secret
    return found


def sample_texts(path: Path | None) -> list[str]:
    """Texts of a file, or of the shipped sample.

    Args:
        path: A file with a text in each line, perhaps after a label and a tab; None for the sample.

    Raises:
        ValueError: The file holds no text, or is not UTF-8.
        OSError: The file cannot be read.
    """
    raw = path.read_text("utf-8") if path else files("processors.demo").joinpath("texts.tsv").read_text("utf-8")
    found = [line.partition("\t")[2] or line for line in raw.splitlines() if line.strip()]
    if not found:
        raise ValueError(f"{path} holds no text")
    return found


def request(run: str, number: int, to: str, body: str, now: datetime) -> SendRequest:
    """Request number ``number`` of a run; the number decides campaign and class."""
    tenant, campaign, kind = CAMPAIGNS[number % len(CAMPAIGNS)]
    return SendRequest(
        message_id=f"{run}-{number:06d}",
        to=to,
        tenant=tenant,
        campaign=campaign,
        program=campaign,
        message_class=kind,
        body=body,
        smart_encoding=number % 3 == 0,
        tags={"run": run},
        requested_at=now,
    )


def plan_load(bodies: Sequence[str], count: int) -> list[tuple[str, str]]:
    """(person, text) of each message: everybody gets one before anybody gets a second."""
    return list(zip(islice(cycle(people()), count), islice(cycle(bodies), count), strict=True))
