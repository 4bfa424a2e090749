"""The one call that patches, and what it refuses."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pytest
from aiokafka.producer.sender import SendProduceReqHandler

from processors.streaming import faust_patches
from processors.streaming.faust_patches import SUPPORTED, UnsupportedVersion
from tests.processors.streaming.conftest import BuildApp

ROOT = Path(__file__).parents[4]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The versions that are installed, as a test wants them."""
    versions = dict(SUPPORTED)

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)
    return versions


def test_the_installed_versions_are_the_supported_ones() -> None:
    faust_patches.install()


@pytest.mark.parametrize("name", SUPPORTED)
def test_another_version_is_refused_with_the_fix(name: str, installed: dict[str, str]) -> None:
    installed[name] = "99.0"

    with pytest.raises(UnsupportedVersion) as refused:
        faust_patches.install()

    assert f"{name} 99.0, supported is {SUPPORTED[name]}" in str(refused.value)
    assert f"pip install faust-streaming=={SUPPORTED['faust-streaming']} " in str(refused.value)


def test_a_missing_library_is_refused(installed: dict[str, str]) -> None:
    del installed["aiokafka"]

    with pytest.raises(UnsupportedVersion, match="aiokafka is missing, supported is"):
        faust_patches.install()


def test_nothing_is_patched_when_a_version_is_refused(installed: dict[str, str]) -> None:
    before = SendProduceReqHandler.do
    installed["faust-streaming"] = "0.16.0"

    with pytest.raises(UnsupportedVersion):
        faust_patches.install()

    assert SendProduceReqHandler.do is before


def test_no_app_is_built_on_another_version(installed: dict[str, str], build_app: BuildApp) -> None:
    installed["mode-streaming"] = "0.8.0"

    with pytest.raises(UnsupportedVersion):
        build_app()


def test_the_package_pins_the_supported_versions() -> None:
    pyproject: Mapping[str, Mapping[str, list[str]]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

    assert {f"{name}=={version}" for name, version in SUPPORTED.items()} <= set(pyproject["project"]["dependencies"])
