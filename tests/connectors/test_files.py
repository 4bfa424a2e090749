"""A file is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from connectors.files import write_atomically


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    write_atomically(file, "old")
    write_atomically(file, "new")
    assert file.read_text("utf-8") == "new"
    assert os.listdir(tmp_path) == ["ports.json"]


def test_a_private_file_is_readable_by_its_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "running.json"
    write_atomically(file, "secret", private=True)
    assert file.stat().st_mode & 0o077 == 0


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    write_atomically(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(file, "\udc80")
    assert file.read_text("utf-8") == "old"
    assert os.listdir(tmp_path) == ["ports.json"]
