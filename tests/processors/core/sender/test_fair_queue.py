"""Urgent first, fair inside a lane, in order inside a tenant."""

from collections import defaultdict
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from processors.core.sender.fair_queue import QUANTUM, FairQueue
from schemas.enums import Lane

PUSHES = st.lists(st.tuples(st.sampled_from(Lane), st.sampled_from("abc"), st.integers(1, 24)), max_size=80)
ORDER = list(Lane)


@dataclass(frozen=True)
class Numbered:
    """A message with a number."""

    lane: Lane
    tenant: str
    segments: int
    number: int


def filled(*waiting: Numbered) -> FairQueue[Numbered]:
    lanes: FairQueue[Numbered] = FairQueue()
    for one in waiting:
        lanes.push(one)
    return lanes


def emptied(lanes: FairQueue[Numbered]) -> list[Numbered]:
    taken = []
    while (head := lanes.peek()) is not None:
        assert lanes.peek() is head
        assert lanes.pop() is head
        taken.append(head)
    return taken


def test_nothing_waits_in_a_new_queue() -> None:
    lanes: FairQueue[Numbered] = FairQueue()
    assert (lanes.peek(), lanes.pop(), len(lanes)) == (None, None, 0)


def test_urgent_goes_before_normal_before_bulk() -> None:
    assert ORDER == [Lane.URGENT, Lane.NORMAL, Lane.BULK]
    lanes = filled(*(Numbered(lane, "a", 1, 0) for lane in reversed(ORDER)))
    assert [one.lane for one in emptied(lanes)] == ORDER


def test_a_single_message_waits_a_quantum_of_a_big_tenant_not_its_whole_line() -> None:
    lanes = filled(*(Numbered(Lane.BULK, "big", 2, number) for number in range(10_000)))
    lanes.push(Numbered(Lane.BULK, "small", 1, -1))
    first = [lanes.pop() for _ in range(QUANTUM // 2 + 1)]
    assert "small" in {one.tenant for one in first if one}


@given(PUSHES)
def test_everything_comes_out_once_by_lane_and_in_its_tenants_order(pushes: list[tuple[Lane, str, int]]) -> None:
    waiting = [Numbered(lane, tenant, segments, place) for place, (lane, tenant, segments) in enumerate(pushes)]
    lanes = filled(*waiting)
    assert len(lanes) == len(waiting)
    taken = emptied(lanes)
    assert sorted(one.number for one in taken) == list(range(len(waiting)))
    assert [ORDER.index(one.lane) for one in taken] == sorted(ORDER.index(one.lane) for one in taken)
    lines: dict[tuple[Lane, str], list[int]] = defaultdict(list)
    for one in taken:
        lines[one.lane, one.tenant].append(one.number)
    assert all(line == sorted(line) for line in lines.values())


@given(
    a=st.lists(st.integers(1, 24), min_size=50, max_size=50), b=st.lists(st.integers(1, 24), min_size=50, max_size=50)
)
def test_two_tenants_that_both_wait_get_the_same_number_of_segments(a: list[int], b: list[int]) -> None:
    """The bound of deficit round robin: two quanta and the largest message apart, at most."""
    lanes = filled(
        *(Numbered(Lane.BULK, "a", segments, place) for place, segments in enumerate(a)),
        *(Numbered(Lane.BULK, "b", segments, place) for place, segments in enumerate(b)),
    )
    left, served = {"a": 50, "b": 50}, {"a": 0, "b": 0}
    while min(left.values()) > 0:
        one = lanes.pop()
        assert one is not None
        left[one.tenant] -= 1
        served[one.tenant] += one.segments
        assert abs(served["a"] - served["b"]) <= 2 * QUANTUM + 24


@given(PUSHES)
def test_the_same_pushes_leave_in_the_same_order(pushes: list[tuple[Lane, str, int]]) -> None:
    waiting = [Numbered(lane, tenant, segments, place) for place, (lane, tenant, segments) in enumerate(pushes)]
    assert emptied(filled(*waiting)) == emptied(filled(*waiting))
