"""Hostile requests at the ingester over real sockets, for as long as it is told.

    python benchmarks/fuzz_ingester.py --requests 1000000

Unsigned ones must publish nothing, signed nonsense must be no error, memory must stay flat. Exits 1 if not, and names
the seeds. The same seed makes the same request again.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from connectors.clock import SystemClock
from connectors.twilio.webhooks.ingester import Ingester
from connectors.twilio.webhooks.options import IngesterOptions
from schemas.codec import Codec, EncodedRecord
from tests.connectors.twilio.webhooks.attacks import MAX_BYTES, PUBLIC, TOKEN, request, signed_request

DELIBERATE = 503


@dataclass
class Publishes:
    """Counts."""

    records: int = 0

    async def publish(self, records: Sequence[EncodedRecord]) -> None:
        self.records += len(records)


@dataclass
class Tally:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    silent: int = 0


@dataclass
class Site:
    """One ingester."""

    port: int
    make: str
    tally: Tally


async def attack(site: Site, seeds: Iterator[int], timeout: float) -> None:
    for seed in seeds:
        raw = request(seed) if site.make == "unsigned" else signed_request(seed)
        try:
            async with asyncio.timeout(timeout):
                answer = await exchange(site.port, raw, Random(seed))
        except TimeoutError:
            site.tally.errors.append(f"{site.make} {seed}: no answer and no end within {timeout} s")
            continue
        except OSError:
            answer = b""
        note(site, seed, answer)


async def exchange(port: int, raw: bytes, random: Random) -> bytes:
    """Send it in one to three pieces; one in a thousand is never finished, for the server to end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        cuts = sorted(random.randrange(len(raw) + 1) for _ in range(random.choice((0, 0, 0, 1, 2))))
        for start, end in itertools.pairwise([0, *cuts, len(raw)]):
            writer.write(raw[start:end])
            await asyncio.sleep(0)
        if random.random() > 0.001:
            writer.write_eof()
        return await reader.read()
    finally:
        writer.close()


def note(site: Site, seed: int, answer: bytes) -> None:
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]
    site.tally.statuses.update(statuses)
    site.tally.silent += not statuses
    if any(status >= 500 and status != DELIBERATE for status in statuses):
        site.tally.errors.append(f"{site.make} {seed}: {statuses}")


async def report(sites: Sequence[Site], publishers: Sequence[Publishes], began: float, rss: list[int]) -> None:
    process = psutil.Process()
    while True:
        await asyncio.sleep(5)
        rss.append(process.memory_info().rss >> 20)
        total = [sum(site.tally.statuses.values()) + site.tally.silent for site in sites]
        print(
            f"{time.monotonic() - began:7.0f} s  unsigned {total[0]:>9,}  signed {total[1]:>9,}  "
            f"records from unsigned {publishers[0].records}  errors {sum(len(s.tally.errors) for s in sites)}  "
            f"RSS {rss[-1]} MiB",
            flush=True,
        )


async def fuzz(requests: int, first: int, workers: int) -> bool:
    publishers = [Publishes(), Publishes()]
    settings = IngesterOptions(
        public_url=PUBLIC, auth_tokens=(TOKEN,), max_bytes=MAX_BYTES, read_timeout=1.0, idle_timeout=2.0, remember=1000
    )
    apps = [Ingester(settings, publisher, Codec(), SystemClock()) for publisher in publishers]
    began, rss = time.monotonic(), [psutil.Process().memory_info().rss >> 20]
    async with apps[0].serving("127.0.0.1", 0) as unsigned, apps[1].serving("127.0.0.1", 0) as signed:
        sites = [Site(unsigned, "unsigned", Tally()), Site(signed, "signed", Tally())]
        seeds = [iter(range(first, first + requests * 9 // 10)), iter(range(first, first + requests // 10))]
        reporting = asyncio.create_task(report(sites, publishers, began, rss))
        await asyncio.gather(*(attack(s, i, 10) for s, i in zip(sites, seeds, strict=True) for _ in range(workers)))
        reporting.cancel()
    rss.append(psutil.Process().memory_info().rss >> 20)
    return verdict(sites, publishers, rss, time.monotonic() - began)


def verdict(sites: Sequence[Site], publishers: Sequence[Publishes], rss: Sequence[int], took: float) -> bool:
    for site, publisher in zip(sites, publishers, strict=True):
        answered = ", ".join(f"{status}: {count:,}" for status, count in sorted(site.tally.statuses.items()))
        print(f"{site.make}: {answered}, no answer: {site.tally.silent:,}; records published: {publisher.records:,}")
        for error in site.tally.errors[:20]:
            print("  ", error)
    settled = rss[len(rss) // 5 + 1] if len(rss) > 4 else rss[-1]
    print(f"{took:.0f} s; RSS {rss[0]} MiB at the start, {settled} settled, {rss[-1]} at the end, {max(rss)} at most")
    return not publishers[0].records and not any(site.tally.errors for site in sites) and rss[-1] <= settled * 1.2 + 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="the first of consecutive seeds")
    parser.add_argument("--workers", type=int, default=10)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    good = asyncio.run(fuzz(arguments.requests, arguments.seed, arguments.workers))
    print("good" if good else "NOT good")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
