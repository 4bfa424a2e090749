"""``python -m tests.crash.armed worker person``: the ``smsflow`` command with the crash point of ``CRASH_AT`` armed."""

from processors.cli import main
from tests.crash import crash_points

if __name__ == "__main__":
    crash_points.arm()
    main()
