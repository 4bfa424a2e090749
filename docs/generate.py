"""Write the pages that repeat what the code says. ``--check`` writes nothing and names the stale pages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

from pages import configuration, reasons, topics  # noqa: E402  the checkout this script stands in is what it describes

PAGES: Mapping[str, Callable[[], str]] = {
    "topics.md": topics.topics_page,
    "configuration.md": configuration.configuration_page,
    "reasons.md": reasons.reasons_page,
}


def main(arguments: Sequence[str]) -> int:
    """Write every page that changed; exit status 1 if ``--check`` found one."""
    check = "--check" in arguments
    stale = {path: text for name, page in PAGES.items() if _text(path := DOCS / name) != (text := page())}
    for path, text in stale.items():
        if not check:
            path.write_text(text, "utf-8")
        sys.stdout.write(f"docs/{path.name} {'is stale, run: python docs/generate.py' if check else 'written'}\n")
    return int(bool(stale) and check)


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
