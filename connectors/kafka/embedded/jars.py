"""The jars of Apache Kafka: fetched once from Maven by jgo, kept in a cache, checked at every start.

``jars.lock`` names each one with its SHA-256. jgo itself only warns about a wrong checksum, writes to the final name
and never looks at a present file again; hence a download goes to a folder of its own, is checked, and moves into the
cache by an atomic rename. Two processes filling one cache at once both succeed.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from connectors.kafka.errors import KafkaStartError

Progress = Callable[[str], None]
EXTRA_HINT = "pip install 'smsflow[embedded]'"
_THREADS = 8
_TRIES = 2


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Its name on disk."""
        return f"{self.artifact}-{self.version}.jar"


@cache
def locked_jars() -> tuple[Jar, ...]:
    """Everything on the broker's class path."""
    lines = files("connectors.kafka.embedded").joinpath("jars.lock").read_text("utf-8").splitlines()
    return tuple(Jar(*line.split()) for line in lines if line and not line.startswith("#"))


def default_cache_dir() -> Path:
    """``$SMSFLOW_CACHE_DIR``, or ``~/.cache/smsflow``: shared by all data directories of a user."""
    named = os.environ.get("SMSFLOW_CACHE_DIR")
    return Path(named) if named else Path.home() / ".cache" / "smsflow"


def kafka_jars(cache_dir: Path, on_progress: Progress) -> list[Path]:
    """The class path, every file verified. Raises KafkaStartError if a jar can be neither found nor fetched."""
    folder = cache_dir / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in locked_jars() if not _is_good(folder / jar.file_name, jar)]
    if missing:
        _fetch(missing, folder, on_progress)
    return [folder / jar.file_name for jar in locked_jars()]


def _is_good(path: Path, jar: Jar) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256
    except FileNotFoundError:
        return False


def _fetch(missing: list[Jar], folder: Path, on_progress: Progress) -> None:
    total = len(locked_jars())
    done = total - len(missing)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as temporary:
        download = _downloader(Path(temporary))
        with ThreadPoolExecutor(_THREADS) as pool:
            fetched = [pool.submit(_fetch_one, jar, folder, download) for jar in missing]
            for future in as_completed(fetched):
                future.result()
                done += 1
                on_progress(f"fetching Apache Kafka: {done} of {total} jars")


def _fetch_one(jar: Jar, folder: Path, download: Callable[[Jar], Path]) -> None:
    for _ in range(_TRIES):
        path = _downloaded(jar, download)
        if _is_good(path, jar):
            os.replace(path, folder / jar.file_name)
            return
        path.unlink(missing_ok=True)
    raise KafkaStartError(
        f"{jar.file_name}: what Maven Central served has another SHA-256 than jars.lock says. "
        "Is a proxy in between? Nothing was kept; try again."
    )


def _downloaded(jar: Jar, download: Callable[[Jar], Path]) -> Path:
    try:
        return download(jar)
    except (OSError, RuntimeError) as error:  # requests' errors are OSErrors, jgo's "not found" a RuntimeError
        raise KafkaStartError(
            f"could not fetch {jar.file_name} from Maven Central: {error}. "
            "The first start needs the network; jars already fetched are kept."
        ) from error


def _downloader(repository: Path) -> Callable[[Jar], Path]:
    try:
        from jgo.maven import MavenContext
    except ImportError as error:
        raise KafkaStartError(f"the embedded Kafka needs jgo: {EXTRA_HINT}") from error
    context = MavenContext(repo_cache=repository, timeout=30)

    def download(jar: Jar) -> Path:
        component = context.project(jar.group, jar.artifact).at_version(jar.version)
        return Path(component.artifact().resolve())

    return download
