"""Files that other processes read while they are written."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path, text: str, *, private: bool = False) -> None:
    """Write a UTF-8 file so that a reader sees the old content or the new, never a part of it.

    The file is not synced to the disk: after a power failure it may be the old one.

    Args:
        path: The file; its directory must exist.
        text: The whole content.
        private: Only this user may read the file.

    Raises:
        OSError: The file cannot be written; the old one is unchanged.
    """
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        new.touch(mode=0o600 if private else 0o666)
        new.write_text(text, "utf-8")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
