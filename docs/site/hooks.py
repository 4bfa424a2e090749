"""Hooks of the documentation site: pages that stand outside ``docs/``, and links from the documents to the sources."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent.parent
OUTSIDE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
    "examples.md": "examples/README.md",
}
"""Page of the site → the file of the repository that holds its text."""
_PAGE_OF = {source: page for page, source in OUTSIDE.items()}
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of ``OUTSIDE`` to the site."""
    for page, source in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001  MkDocs' own
    """Send each link to the page that shows its target, and show a source file or a folder by its path.

    Raises:
        FileNotFoundError: A link leads to a file that the repository does not have.
    """
    here = OUTSIDE.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    return _LINK.sub(lambda link: _site_link(link, here, page.file.src_uri), markdown)


def _site_link(link: re.Match[str], here: str, page: str) -> str:
    target = link["target"]
    if re.match(r"\w+:", target):
        return link[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
    if not (ROOT / path).exists():
        raise FileNotFoundError(f"{here}: the link to {target} leads to no file")
    shown = _PAGE_OF.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
    if shown is None or not shown.endswith(".md"):
        text = link["text"] if link["text"].strip("`") != path else f"`{path}`"
        return text if text.strip("`") in path else f"{text} (`{path}`)"
    way = posixpath.relpath(shown, posixpath.dirname(page) or ".")
    return f"[{link['text']}]({way}{link['anchor'] or ''})"
