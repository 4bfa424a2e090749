"""Settings name every problem with its fix, and keep secrets to themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from processors.settings.groups import SenderSettings
from processors.settings.model import Settings, SettingsError, load_settings
from processors.settings.sources import variables


def problems(environ: dict[str, str], config: Path | None = None) -> list[str]:
    """The lines of the error these settings raise."""
    with pytest.raises(SettingsError) as caught:
        load_settings(config, environ)
    return str(caught.value).splitlines()


def test_nothing_given_gives_the_defaults_of_a_production_worker() -> None:
    settings = load_settings(environ={})
    assert (settings.broker, settings.partitions, settings.replication) == ("127.0.0.1:9092", 12, 3)


def test_an_environment_variable_is_the_path_of_its_field() -> None:
    settings = load_settings(environ={"SMSFLOW_TWILIO_ACCOUNT_SID": "AC1", "SMSFLOW_SINK_URL": "http://a:1"})
    assert (settings.twilio.account_sid, settings.sink.url) == ("AC1", "http://a:1")


def test_no_two_fields_share_an_environment_variable() -> None:
    names = variables(Settings)
    assert len(set(names.values())) == len(names)
    assert names["SMSFLOW_WORKER_IN_FLIGHT"] == ("worker", "in_flight")


def test_a_misspelt_variable_is_named_with_the_one_that_was_meant() -> None:
    assert problems({"SMSFLOW_BROKR": "a:1"}) == ["SMSFLOW_BROKR: unknown, meant SMSFLOW_BROKER?"]


def test_variables_of_other_programs_are_none_of_our_business() -> None:
    assert load_settings(environ={"SMSFLOWER": "rose", "PATH": "/bin"}) == load_settings(environ={})


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    config = tmp_path / "smsflow.toml"
    config.write_text('partitons = 3\n[twilio]\nacount_sid = "AC1"\n[[senders]]\nid = "+12125550100"\ncampain = "a"\n')
    found = problems({"SMSFLOW_BROKR": "a:1", "SMSFLOW_INGESTER_PORT": "many", "SMSFLOW_BROKER": "nowhere"}, config)
    assert sorted(found) == sorted(
        [
            "SMSFLOW_BROKR: unknown, meant SMSFLOW_BROKER?",
            "broker (SMSFLOW_BROKER): 'nowhere' is not host:port",
            "ingester.port (SMSFLOW_INGESTER_PORT): "
            "input should be a valid integer, unable to parse string as an integer",
            f"{config}: partitons: unknown, meant partitions?",
            f"{config}: twilio.acount_sid: unknown, meant account_sid?",
            f"{config}: senders[0].campain: unknown, meant campaign?",
        ]
    )


def test_a_mistake_in_a_list_names_the_variable_that_holds_it() -> None:
    found = problems({"SMSFLOW_SENDERS": '[{"id": "", "number_type": "10dlc"}]'})
    assert found == ["senders[0].id (SMSFLOW_SENDERS): string should have at least 1 character"]


def test_broken_json_is_answered_with_an_example() -> None:
    (line,) = problems({"SMSFLOW_SENDERS": "+12125550100"})
    assert line.startswith("senders (SMSFLOW_SENDERS): not JSON")
    assert line.endswith('like [{"id": "+12125550100", "number_type": "10dlc"}]')


@pytest.mark.parametrize(
    ("text", "expected"), [("= 1", "not TOML"), (None, "cannot be read (No such file or directory)")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | None, expected: str) -> None:
    config = tmp_path / "smsflow.toml"
    if text:
        config.write_text(text)
    (line,) = problems({}, config)
    assert line.startswith(f"{config}: {expected}")


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "smsflow.toml"
    config.write_text('broker = "a:1"\n[ingester]\nhost = "127.0.0.2"\nport = 1\n')
    settings = load_settings(environ={"SMSFLOW_CONFIG": str(config), "SMSFLOW_INGESTER_PORT": "2"})
    assert (settings.broker, settings.ingester.host, settings.ingester.port) == ("a:1", "127.0.0.2", 2)


def test_an_empty_variable_is_an_unset_one() -> None:
    """Compose passes unset variables on as empty ones."""
    assert load_settings(environ={"SMSFLOW_SCHEMA_REGISTRY_URL": ""}).schema_registry_url is None


def test_lists_take_commas_and_senders_take_json() -> None:
    senders = json.dumps([{"id": "55555", "number_type": "short_code", "mps": 30}])
    settings = load_settings(
        environ={
            "SMSFLOW_TWILIO_AUTH_TOKENS": "one, two",
            "SMSFLOW_TIMING_LOOK_UPS_S": "1,2.5",
            "SMSFLOW_SENDERS": senders,
        }
    )
    assert [token.get_secret_value() for token in settings.twilio.auth_tokens] == ["one", "two"]
    assert settings.timing.look_ups_s == (1, 2.5)
    assert settings.policy_senders() == [{"id": "55555", "number_type": "short_code", "mps": 30.0}]


def test_a_shared_key_has_an_id_and_a_secret() -> None:
    settings = load_settings(environ={"SMSFLOW_TWILIO_SHARED_KEYS": "SK1:hush:hush, SK2:other"})
    assert settings.twilio.keys() == {"SK1": "hush:hush", "SK2": "other"}
    assert "hush" not in repr(settings)
    assert load_settings(environ=settings.environment()).twilio.keys() == settings.twilio.keys()
    for wrong in ("SK1", ":secret", "SK1:"):
        (problem,) = problems({"SMSFLOW_TWILIO_SHARED_KEYS": wrong})
        assert "expected id:secret" in problem


def test_no_secret_shows_in_the_repr_or_in_an_error() -> None:
    given = {
        "SMSFLOW_TWILIO_AUTH_TOKENS": "hush-1",
        "SMSFLOW_TWILIO_API_SECRET": "hush-2",
        "SMSFLOW_CLICKHOUSE_URL": "clickhouse://u:hush-3@h:8123/d",
    }
    assert "hush" not in repr(load_settings(environ=given))
    assert "hush" not in "".join(problems({**given, "SMSFLOW_CLICKHOUSE_URL": "postgres://u:hush-3@h"}))


def test_settings_are_frozen() -> None:
    settings = load_settings(environ={})
    with pytest.raises(ValueError, match="frozen"):
        settings.broker = "b:2"


def test_a_heartbeat_must_fit_three_times_into_the_session() -> None:
    (line,) = problems({"SMSFLOW_WORKER_SESSION_S": "6", "SMSFLOW_WORKER_HEARTBEAT_S": "5"})
    assert line == "worker.heartbeat_s (SMSFLOW_WORKER_HEARTBEAT_S): at most a third of session_s, which is 6"


def test_what_was_given_can_be_said_again_as_variables() -> None:
    """That is how a supervisor tells its children; defaults stay unsaid, so that they remain the child's."""
    given = {
        "SMSFLOW_BROKER": "a:1",
        "SMSFLOW_TWILIO_AUTH_TOKENS": "one,two",
        "SMSFLOW_TIMING_LOOK_UPS_S": "1.0,2.5",
        "SMSFLOW_SIMULATOR_QUICK": "True",
        "SMSFLOW_SENDERS": '[{"id": "55555", "number_type": "short_code", "mps": 30.0}]',
        "SMSFLOW_POOLS": '{"default": ["55555"]}',
    }
    settings = load_settings(environ=given)
    assert settings.environment() == given
    assert load_settings(environ=settings.environment()) == settings


def test_a_secured_kafka_names_what_is_missing_and_what_is_too_much(tmp_path: Path) -> None:
    sasl = {"SMSFLOW_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "SMSFLOW_KAFKA_USERNAME": "smsflow"}
    assert problems(sasl) == [
        "kafka.sasl_mechanism (SMSFLOW_KAFKA_SASL_MECHANISM): needed with security_protocol SASL_SSL",
        "kafka.password (SMSFLOW_KAFKA_PASSWORD): needed with security_protocol SASL_SSL",
    ]
    assert problems({"SMSFLOW_KAFKA_PASSWORD": "secret"}) == [
        "kafka.password (SMSFLOW_KAFKA_PASSWORD): used only with security_protocol SASL_SSL or SASL_PLAINTEXT: "
        "set it, or leave this out"
    ]
    certificate = tmp_path / "client.pem"
    certificate.touch()
    files = {"SMSFLOW_KAFKA_CA_FILE": str(tmp_path / "ca.pem"), "SMSFLOW_KAFKA_CERT_FILE": str(certificate)}
    assert problems({"SMSFLOW_KAFKA_SECURITY_PROTOCOL": "SSL", **files}) == [
        f"kafka.ca_file (SMSFLOW_KAFKA_CA_FILE): {tmp_path / 'ca.pem'} is no file that can be read",
        "kafka.key_file (SMSFLOW_KAFKA_KEY_FILE): a certificate and its key go together: "
        "give both kafka.cert_file and kafka.key_file",
    ]


def test_a_protocol_nobody_knows_is_the_only_problem() -> None:
    [problem] = problems({"SMSFLOW_KAFKA_SECURITY_PROTOCOL": "TLS", "SMSFLOW_KAFKA_USERNAME": "smsflow"})
    assert problem.startswith("kafka.security_protocol (SMSFLOW_KAFKA_SECURITY_PROTOCOL): input should be 'PLAINTEXT'")


def test_a_pool_in_the_environment_replaces_the_pools_of_the_file(tmp_path: Path) -> None:
    config = tmp_path / "smsflow.toml"
    config.write_text('[pools]\ndefault = ["1"]\nsupport = ["2"]\n')
    assert load_settings(config, {"SMSFLOW_POOLS": '{"default": ["3"]}'}).pools == {"default": ("3",)}


def test_every_setting_says_what_it_means() -> None:
    def fields(model: type[BaseModel]) -> Iterator[tuple[str, str | None]]:
        for name, field in model.model_fields.items():
            kind = field.annotation
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from fields(kind)
            else:
                yield f"{model.__name__}.{name}", field.description

    described = dict([*fields(Settings), *fields(SenderSettings)])
    assert len(described) > len(variables(Settings))
    assert [name for name, description in described.items() if not description] == []
