"""The group ``[kafka]``: how every client enters the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, SecretStr, field_validator
from pydantic_core.core_schema import ValidationInfo

from processors.settings.fields import SettingsGroup


class KafkaSettings(SettingsGroup):
    """How the cluster that ``broker`` names is entered, in Kafka's words. All files are PEM."""

    model_config = ConfigDict(validate_default=True)

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT",
        description="`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`, as the broker's listener has it. "
        "Not for the embedded Kafka.",
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`; with the two `SASL_` protocols."
    )
    username: str | None = Field(default=None, description="With the two `SASL_` protocols.")
    password: SecretStr | None = Field(
        default=None, description="With the two `SASL_` protocols; give it in the environment, not in the file."
    )
    ca_file: Path | None = Field(
        default=None,
        description="The authorities (PEM) that vouch for the brokers; with `SSL` and `SASL_SSL`. None: those of the "
        "system. A broker's name is always checked against its certificate.",
    )
    cert_file: Path | None = Field(
        default=None, description="smsflow's certificate (PEM), for brokers that ask their clients for one."
    )
    key_file: Path | None = Field(default=None, description="The key (PEM) of `cert_file`.")
    key_password: SecretStr | None = Field(default=None, description="The password of `key_file`, if it has one.")

    @field_validator("sasl_mechanism", "username", "password")
    @classmethod
    def _belongs_to_sasl(cls, value: object, info: ValidationInfo) -> object:
        protocol = info.data.get("security_protocol")
        if protocol is None:  # security_protocol itself is wrong, which is reported
            return value
        if protocol.startswith("SASL_") and value is None:
            raise ValueError(f"needed with security_protocol {protocol}")
        if not protocol.startswith("SASL_") and value is not None:
            raise ValueError("used only with security_protocol SASL_SSL or SASL_PLAINTEXT: set it, or leave this out")
        return value

    @field_validator("ca_file", "cert_file", "key_file", "key_password")
    @classmethod
    def _belongs_to_tls(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and not info.data.get("security_protocol", "SSL").endswith("SSL"):
            raise ValueError("used only with security_protocol SSL or SASL_SSL: set it, or leave this out")
        if isinstance(value, Path) and not value.is_file():
            raise ValueError(f"{value} is no file that can be read")
        return value

    @field_validator("key_file")
    @classmethod
    def _key_of_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "cert_file" in info.data and (value is None) != (info.data["cert_file"] is None):
            raise ValueError("a certificate and its key go together: give both kafka.cert_file and kafka.key_file")
        return value
