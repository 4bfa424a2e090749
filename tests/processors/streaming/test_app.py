from __future__ import annotations

from pathlib import Path

import pytest

from processors.streaming.app import AppConfig, StageApp


def test_an_app_is_a_static_member_and_connects_to_nothing(tmp_path: Path) -> None:
    app = StageApp(
        "smsflow-person", AppConfig(broker="127.0.0.1:1,127.0.0.1:2", data_dir=tmp_path / "x", instance_id="7")
    )

    assert app.conf.consumer_group_instance_id == "smsflow-person-7"
    assert [str(url) for url in app.conf.broker] == ["kafka://127.0.0.1:1", "kafka://127.0.0.1:2"]
    assert not (tmp_path / "x").exists()


def test_a_table_refuses_writes_that_are_not_durable(tmp_path: Path) -> None:
    app = StageApp("smsflow-person", AppConfig(broker="127.0.0.1:1", data_dir=tmp_path, instance_id="a"))
    with pytest.raises(TypeError, match=r"durable_table\.write"):
        app.Table("consent").send_changelog(0, b"k", b"v")
