"""A million callbacks in random orders, 30 % of them again: does every message end in the same bytes?

    python benchmarks/order.py --callbacks 1000000

Takes the person stage's real decisions (the tables in memory, no broker). The states are compared as they are stored,
but for `applied`, which is where their input was read: once whole, with one time for every arrival, and once without
times, between an order where time stands still and one where it runs. Exits 1 if they differ, or if one status event
was published twice.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.processors.core.person.lifecycles import Lifecycle, People, lifecycle, shuffled

RUNNING = timedelta(microseconds=100)
"""From one arrival to the next, where time runs: all of them within minutes, so that no deadline passes."""


def lifecycles(callbacks: int) -> list[Lifecycle]:
    """As many as together have so many callbacks."""
    found: list[Lifecycle] = []
    for number in count():
        if callbacks <= 0:
            break
        found.append(lifecycle(number))
        callbacks -= len(found[-1].callbacks)
    return found


def heard(stories: Sequence[Lifecycle], duplicates: float, seed: int, step: timedelta) -> People:
    """All of them in the order of this seed; says what it took."""
    people = People()
    for story in stories:
        for record in story.before:
            people.hear(record)
    callbacks = [told for story in stories for told in story.callbacks]
    began = time.process_time()
    people.hear_all(shuffled(callbacks, duplicates, seed, step))
    took = time.process_time() - began
    deliveries = len(callbacks) + round(len(callbacks) * duplicates)
    print(
        f"order {seed}, time {'runs' if step else 'stands still'}: {deliveries:,} deliveries of {len(callbacks):,} "
        f"callbacks on {len(people.messages):,} messages, {took:.0f} s of CPU, {took / deliveries * 1e6:.0f} us each; "
        f"{len(people.published):,} status events, "
        f"{sum(people.published.values()) - len(people.published)} of them twice",
        flush=True,
    )
    return people


def compare(callbacks: int, orders: int, duplicates: float) -> bool:
    stories = lifecycles(callbacks)
    whole, timeless, twice = set(), set(), 0
    for seed in range(orders + 1):
        still = seed < orders
        people = heard(stories, duplicates, seed, timedelta() if still else RUNNING)
        twice += sum(people.published.values()) - len(people.published)
        timeless.add(people.digest(times=False))
        print(f"  without times {people.digest(times=False)}")
        if still:
            whole.add(people.digest(times=True))
            print(f"  whole         {people.digest(times=True)}", flush=True)
    return (len(whole), len(timeless), twice) == (1, 1, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callbacks", type=int, default=1_000_000)
    parser.add_argument("--orders", type=int, default=2, help="with time standing still; one more with time running")
    parser.add_argument("--duplicates", type=float, default=0.3, help="share delivered a second time")
    arguments = parser.parse_args()
    gc.disable()  # a million small values without cycles, which it would go through again and again
    good = compare(arguments.callbacks, arguments.orders, arguments.duplicates)
    print("the same states in every order" if good else "NOT the same")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
