"""A Kafka cluster's address and credentials, given to each Kafka library as the options it expects."""

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
    """Address and credentials of one Kafka cluster. A broker's name is always checked against its certificate.

    Attributes:
        bootstrap: ``host:port``, several separated by commas.
        protocol: Kafka's ``security.protocol``: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
        mechanism: Kafka's ``sasl.mechanism``, needed where the protocol begins with SASL.
        username: The SASL user.
        password: The SASL password.
        ca_file: PEM file of the certificate authorities to trust; the system's ones if None.
        cert_file: PEM file of the client's certificate, for brokers that ask for one.
        key_file: PEM file of that certificate's private key.
        key_password: The password of ``key_file``, if it has one.
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
        """Whether connections are encrypted with TLS."""
        return self.protocol.endswith("SSL")

    @property
    def sasl(self) -> bool:
        """Whether clients log in with a user and a password."""
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
        """The keyword arguments of aiokafka's clients.

        Raises:
            OSError: A certificate file cannot be read, or has no certificate in it (``ssl.SSLError``).
        """
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
        """The TLS settings for clients written in Python; None without TLS.

        Raises:
            OSError: A certificate file cannot be read, or has no certificate in it (``ssl.SSLError``).
        """
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file, self.key_password)
        return context


ClusterLike = Cluster | str
"""A cluster, or the bootstrap address of one that speaks plaintext."""


def as_cluster(cluster: ClusterLike) -> Cluster:
    """The cluster itself; a bare ``host:port`` becomes a plaintext cluster."""
    return cluster if isinstance(cluster, Cluster) else Cluster(bootstrap=cluster)


class LastError:
    """Remembers the last TLS or login error that librdkafka reported outside of a call (its ``error_cb``).

    librdkafka's calls then fail with a time-out only; ``explain`` adds the reason that stands behind it.

    Args:
        logger: Gets every error reported, as librdkafka itself would log it; None for short-lived clients.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger
        self._last = ""

    def __call__(self, error: KafkaError) -> None:
        """Take an error from librdkafka, with a hint if it is about TLS or the login."""
        if self._logger is not None:
            self._logger.error("%s", error.str())
        if error.code() in _HINTS:
            self._last = f"{error.str()}; {_HINTS[error.code()]}"

    def explain(self, error: str) -> str:
        """The error of a call, followed by the last reported error if there is one."""
        return f"{error}: {self._last}" if self._last else error

    def clear(self) -> None:
        """Forget the last reported error; it does not explain later failures."""
        self._last = ""
