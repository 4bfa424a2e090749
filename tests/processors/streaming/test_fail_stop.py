from __future__ import annotations

import logging
import os

import pytest

from processors.streaming.fail_stop import EXIT_CODE, fail_stop


class Exited(BaseException):
    """In place of the end of the process."""


def test_the_reason_is_logged_and_the_process_ends_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    codes: list[int] = []

    def leave(code: int) -> None:
        codes.append(code)
        raise Exited

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(logging, "shutdown", lambda: None)

    with pytest.raises(Exited):
        fail_stop("a step failed", LookupError("broken"))

    assert codes == [EXIT_CODE]
    assert "this worker stops: a step failed" in caplog.text
    assert "LookupError: broken" in caplog.text
