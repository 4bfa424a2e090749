"""Fail-stop: a worker that cannot keep its promises ends at once, loudly, and without one more write.

Every step of smsflow survives ``kill -9``. A graceful stop, on the other hand, waits for events that will never be
acknowledged. The supervisor starts a successor, which reads the unacknowledged records again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import NoReturn

logger = logging.getLogger(__name__)

EXIT_CODE = 1
FailStop = Callable[[str, BaseException | None], object]
"""Called with what went wrong and the exception, if there was one. Tests pass a function that records its calls."""


def fail_stop(why: str, error: BaseException | None = None) -> NoReturn:
    """Log and end this process with exit code 1."""
    logger.critical("this worker stops: %s", why, exc_info=error)
    logging.shutdown()
    os._exit(EXIT_CODE)
