"""Every patch of a class of Faust's or aiokafka's, one a module, and the guard of the versions they are written for.

A patch stands here only where no seam exists. Where Faust lets a subclass take a method's place, the subclass does:
``processors.streaming.transport`` and ``processors.streaming.recovery``. Those subclasses override private methods, so
the guard protects them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata

from processors.streaming.faust_patches import heartbeat, produce_fence

SUPPORTED: Mapping[str, str] = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}
"""Distribution → the one version whose private methods the patches and subclasses were written and tested for."""


class UnsupportedVersion(Exception):
    """A library that smsflow patches is installed in a version the patches were not written for."""


def install() -> None:
    """Check the versions, then patch aiokafka. Idempotent, and for the whole process.

    Raises:
        UnsupportedVersion: Another version than the supported one is installed. Nothing is patched.
    """
    require_supported_versions()
    heartbeat.install_heartbeat_stamp()
    produce_fence.install_produce_fence()


def require_supported_versions() -> None:
    """Compare what is installed with ``SUPPORTED``.

    Raises:
        UnsupportedVersion: Names each difference, and the command that installs the supported versions.
    """
    found = {name: _installed(name) for name in SUPPORTED}
    wrong = [
        f"{name} {found[name] or 'is missing'}, supported is {version}"
        for name, version in SUPPORTED.items()
        if found[name] != version
    ]
    if wrong:
        pins = " ".join(f"{name}=={version}" for name, version in SUPPORTED.items())
        raise UnsupportedVersion(
            f"smsflow changes private parts of these libraries and refuses others: {'; '.join(wrong)}. "
            f"Fix: pip install {pins}"
        )


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
