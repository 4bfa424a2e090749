"""What the command line says to a person who mistyped: the field, what is wrong, what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from processors.cli import VERBS, cli
from processors.wiring.command_settings import RUNNING_FILE

NOBODY = {"SMSFLOW_BROKER": "127.0.0.1:1"}


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SMSFLOW_CONFIG", "SMSFLOW_BROKER", "SMSFLOW_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def run(*words: str, env: dict[str, str] | None = None, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, words, env=env, input=text)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    answer = run(verb, "--help")
    assert answer.exit_code == 0
    assert answer.output.startswith("Usage: ")


def test_the_verbs_are_listed_with_what_they_do() -> None:
    answer = run("--help")
    assert all(f"  {verb} " in answer.output for verb in VERBS)


def test_an_unknown_verb_is_refused() -> None:
    answer = run("sned")
    assert answer.exit_code == 2
    assert "No such command 'sned'" in answer.output


@pytest.mark.parametrize(
    "verb", [["send", "--to", "+12125550123", "--body", "x"], ["up"], ["topics", "show"], ["sink"]]
)
def test_a_misspelt_setting_stops_every_command(verb: list[str]) -> None:
    answer = run(*verb, env={"SMSFLOW_BROKR": "a:1"})
    assert answer.exit_code == 2
    assert answer.output == "Error: settings:\n  SMSFLOW_BROKR: unknown, meant SMSFLOW_BROKER?\n"


def test_a_config_file_that_is_not_there_is_named() -> None:
    answer = run("--config", "nowhere.toml", "topics", "show")
    assert answer.exit_code == 2
    assert "nowhere.toml: cannot be read (No such file or directory)" in answer.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--to", "+12125550123"], "body: empty; give body, content_sid or media_urls"),
        (["--to", "2125550123", "--body", "x"], "to: '2125550123': no leading + and country code; give E.164"),
        (["--to", "+1212555", "--body", "x"], "to: "),
        (["--to", "+12125550123", "--body", "x", "--from", "55555", "--sender-pool", "a"], "give one of them"),
        (["--to", "+12125550123", "--body", "x" * 1601], "body: 1601 characters, Twilio takes 1600"),
        (["--to", "+12125550123", "--body", "x", "--class", "spam"], "'spam' is not one of 'otp'"),
        (["--to", "+12125550123", "--body", "x", "--send-at", "tomorrow"], "'tomorrow' is neither a duration"),
        (["--to", "+12125550123", "--body", "x", "--send-at", "2030-01-01T10:00"], "has no offset: add Z for UTC"),
        (["--to", "+12125550123", "--body", "x", "--tag", "spring"], "'spring' is not NAME=VALUE"),
        (["--to", "+12125550123", "--body", "x", "--from", "not a sender at all"], "--from: "),
        (["--body", "x"], "Missing option '--to'"),
    ],
)
def test_a_request_that_cannot_be_sent_is_refused_before_it_is_published(words: list[str], says: str) -> None:
    answer = run("send", *words, env=NOBODY)
    assert answer.exit_code == 2
    assert says in answer.output


def test_a_sender_that_is_not_configured_is_refused_where_the_senders_are_known() -> None:
    senders = '[{"id": "+12025550100", "number_type": "10dlc"}]'
    answer = run("send", "--to", "+12125550123", "--body", "x", "--from", "55555", env={"SMSFLOW_SENDERS": senders})
    assert answer.exit_code == 2
    assert "sender '55555': not one of +12025550100" in answer.output


def test_a_bad_sender_in_the_settings_is_named_by_its_place() -> None:
    answer = run(
        "send", "--to", "+12125550123", "--body", "x", env={"SMSFLOW_SENDERS": '[{"id": "5", "number_type": "fax"}]'}
    )
    assert answer.exit_code == 2
    assert "senders[0]" in answer.output


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (["ingest"], ["twilio.auth_tokens (SMSFLOW_TWILIO_AUTH_TOKENS)", "twilio.public_url"]),
        (["report", "cost"], ["sink.url (SMSFLOW_SINK_URL): needed by smsflow report"]),
    ],
)
def test_every_setting_a_role_lacks_is_named_at_once(words: list[str], missing: list[str]) -> None:
    answer = run(*words, env={"SMSFLOW_CLICKHOUSE_URL": "chdb:///nowhere"})
    assert answer.exit_code == 2
    assert all(name in answer.output for name in missing)


def test_a_broker_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.kafka.admin.TIMEOUT", 0.2)
    answer = run("topics", "show", env=NOBODY)
    assert answer.exit_code == 1
    assert "Error: 127.0.0.1:1 does not answer" in answer.output


def test_a_kafka_to_be_entered_has_to_be_named() -> None:
    """The embedded one is open: settings that would lock everybody out are no detail."""
    answer = run("up", env={"SMSFLOW_KAFKA_SECURITY_PROTOCOL": "SSL"})
    assert answer.exit_code == 1
    assert "kafka.security_protocol is for a cluster of yours: name it too, broker (SMSFLOW_BROKER)" in answer.output


def test_certificates_that_are_none_are_named_before_anybody_connects(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    entry = {"SMSFLOW_KAFKA_SECURITY_PROTOCOL": "SSL", "SMSFLOW_KAFKA_CA_FILE": str(tmp_path / "ca.pem")}
    answer = run("topics", "show", env=NOBODY | entry)
    assert answer.exit_code == 2
    assert "kafka.ca_file, kafka.cert_file, kafka.key_file (SMSFLOW_KAFKA_CA_FILE, …): not PEM" in answer.output


def test_an_unknown_grouping_is_answered_with_those_there_are() -> None:
    answer = run("report", "cost", "--by", "planet")
    assert answer.exit_code == 2
    assert "'tenant', 'campaign', 'country', 'sender', 'day'" in answer.output


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"entries": []}')
    answer = run("replay", "run", "plan.json", env=NOBODY)
    assert answer.exit_code == 2
    assert "plan.json: no replay plan" in answer.output
    assert "make one with smsflow replay plan --out" in answer.output


def test_a_replay_needs_to_be_told_how_far_back() -> None:
    assert "Missing option '--since'" in run("replay", "plan", env=NOBODY).output


def test_the_demo_does_not_run_on_a_real_account() -> None:
    answer = run("demo", env={"SMSFLOW_TWILIO_ACCOUNT_SID": "AC1"})
    assert answer.exit_code == 2
    assert "twilio.account_sid: the demo texts people who do not exist; unset it" in answer.output


def test_texts_without_a_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    answer = run("demo", "--texts", "empty.txt")
    assert answer.exit_code == 2
    assert "empty.txt holds no text" in answer.output


def test_what_runs_here_need_not_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`smsflow up` leaves its settings in the data directory for the commands in another terminal."""
    monkeypatch.setattr("connectors.kafka.admin.TIMEOUT", 0.2)
    (tmp_path / ".smsflow").mkdir()
    (tmp_path / ".smsflow" / RUNNING_FILE).write_text(json.dumps({"SMSFLOW_BROKER": "127.0.0.1:2"}))
    assert "127.0.0.1:2 does not answer" in run("topics", "show").output
    assert "127.0.0.1:1 does not answer" in run("topics", "show", env=NOBODY).output


def test_segments_of_an_argument() -> None:
    lines = run("segments", "“für” €5").output.splitlines()
    assert lines[0].split() == ["encoding", "units", "segments", "smart", "saves", "text"]
    assert lines[1].split() == ["UCS-2", "8", "1", "-", "“für”", "€5"]


def test_segments_of_every_line_of_the_input_as_json() -> None:
    answer = run("segments", "--json", text="hello\n" + "“" + "a" * 70 + "\n")
    first, second = map(json.loads, answer.output.splitlines())
    assert (first["encoding"], first["units"], first["segments"]) == ("GSM-7", 5, 1)
    assert (second["encoding"], second["segments"], second["smart_encoding"]["segments_saved"]) == ("UCS-2", 2, 1)
