"""Evidence about one message, however it arrives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from processors.core.person import statuses
from processors.core.person.statuses import RANKS
from schemas.states import StatusReport
from tests.builders import NOW, seconds

REPORTS = st.builds(
    lambda attempt, status, after: StatusReport(attempt=attempt, status=status, at=NOW + seconds(after)),
    st.integers(1, 2),
    st.sampled_from(sorted(RANKS)),
    st.integers(0, 5),
)


def added(reports: list[StatusReport]) -> list[StatusReport]:
    evidence: list[StatusReport] = []
    for report in reports:
        evidence = statuses.add_report(evidence, report)
    return evidence


def test_an_earlier_report_that_comes_later_changes_nothing() -> None:
    """The event of the first one may be published, under the same id."""
    by_list = StatusReport(attempt=1, status="delivered", at=NOW + seconds(2))
    by_callback = StatusReport(attempt=1, status="delivered", at=NOW)

    assert added([by_list, by_callback]) == [by_list]


@given(st.lists(REPORTS, max_size=8), st.randoms())
def test_the_status_does_not_depend_on_the_order(reports: list[StatusReport], chance: object) -> None:
    shuffled = list(reports)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a Random
    one, other = statuses.effective_report(added(reports)), statuses.effective_report(added(shuffled))

    assert (one and (one.attempt, one.status)) == (other and (other.attempt, other.status))
