"""Where a Kafka cluster is and how one gets in, said once and told to each client in its own words."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError

_HINTS = {
    KafkaError._AUTHENTICATION: "check kafka.username, kafka.password and kafka.sasl_mechanism",
    KafkaError._SSL: "check kafka.ca_file, kafka.cert_file and kafka.key_file, and that this port speaks TLS",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """``bootstrap``: host:port, several by commas. ``protocol`` and ``mechanism`` are Kafka's words; the files are PEM.

    Without ``ca_file`` the system's certificate authorities are trusted; ``cert_file`` and ``key_file`` are for brokers
    that ask clients for a certificate. The broker's name is always checked against its certificate.
    """

    bootstrap: str
    protocol: str = "PLAINTEXT"
    mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    key_password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.bootstrap

    @property
    def tls(self) -> bool:
        """Whether it is spoken to through TLS."""
        return self.protocol.endswith("SSL")

    @property
    def sasl(self) -> bool:
        """Whether it asks for a name and a password."""
        return self.protocol.startswith("SASL_")

    def librdkafka(self) -> dict[str, Any]:
        """The options of confluent-kafka's clients."""
        options = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.protocol,
            "sasl.mechanism": self.mechanism,
            "sasl.username": self.username,
            "sasl.password": self.password,
            "ssl.ca.location": self.ca_file and str(self.ca_file),
            "ssl.certificate.location": self.cert_file and str(self.cert_file),
            "ssl.key.location": self.key_file and str(self.key_file),
            "ssl.key.password": self.key_password,
        }
        return {name: value for name, value in options.items() if value is not None}

    def aiokafka(self) -> dict[str, Any]:
        """The keywords of aiokafka's clients."""
        options: dict[str, Any] = {"bootstrap_servers": self.bootstrap, "security_protocol": self.protocol}
        if self.tls:
            options["ssl_context"] = self.ssl_context()
        if self.sasl:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options

    def ssl_context(self) -> ssl.SSLContext | None:
        """What Python's own clients need for TLS; None without it. Raises OSError, ssl.SSLError for unusable files."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file, self.key_password)
        return context


ClusterLike = Cluster | str
"""A cluster; a mere address is one that speaks plaintext."""


def as_cluster(where: ClusterLike) -> Cluster:
    """The cluster that is meant."""
    return where if isinstance(where, Cluster) else Cluster(bootstrap=where)


class LastError:
    """Takes what librdkafka says beside its answers (``error_cb``): why a broker that is there does not answer.

    ``log`` is told all of it, as librdkafka itself would where nobody takes it.
    """

    def __init__(self, log: logging.Logger | None = None) -> None:
        self._log = log
        self._last = ""

    def __call__(self, error: KafkaError) -> None:
        if self._log is not None:
            self._log.error("%s", error.str())
        if error.code() in _HINTS:
            self._last = f"{error.str()}; {_HINTS[error.code()]}"

    def explain(self, error: str) -> str:
        """The error, with what is behind it."""
        return f"{error}: {self._last}" if self._last else error

    def clear(self) -> None:
        """All is well: what was said before is behind nothing that comes."""
        self._last = ""
