"""A broker as a bank has it, on loopback: behind TLS, a password or both, with just the rights the documents name."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from connectors.free_port import free_port
from connectors.kafka.embedded.broker import EmbeddedKafka
from connectors.kafka.embedded.broker_files import HOST

USER, PASSWORD, KEY_PASSWORD = "smsflow", "a secret of the bank", "a secret of the key"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_EXTRA = f"""\
listeners=PLAINTEXT://{HOST}:{{client}},CONTROLLER://{HOST}:{{controller}},{{doors}}
advertised.listeners=PLAINTEXT://{HOST}:{{client}},{{doors}}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,WORD:SASL_PLAINTEXT,BOTH:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location={{folder}}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={{folder}}/ca.pem
listener.name.tls.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""
WHO = (f"User:{USER}", "User:CN=client")
"""As whom our clients are known, by password and by certificate. Whoever comes by the open door may do anything."""
RIGHTS = {
    (ResourceType.TOPIC, "sms"): ("READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS", "CREATE", "ALTER_CONFIGS"),
    (ResourceType.GROUP, "smsflow"): ("READ",),
}
"""On everything whose name begins so: as docs/quickstart.md says it."""


@dataclass(frozen=True)
class Secured:
    """Where the doors are: ``tls`` asks for a certificate, ``word`` for a password, ``both`` for one through TLS."""

    folder: Path
    open: str
    tls: str
    word: str
    both: str


@contextmanager
def secured_kafka(folder: Path) -> Iterator[Secured]:
    """The running broker, its certificates and the client's under ``folder``, its user known."""
    folder.mkdir(parents=True)
    certify(folder)
    doors = {name: f"{HOST}:{free_port()}" for name in ("tls", "word", "both")}
    listeners = ",".join(f"{name.upper()}://{address}" for name, address in doors.items())
    extra = _EXTRA.replace("{doors}", listeners).replace("{folder}", folder.as_posix()) + "".join(_logins())
    with EmbeddedKafka(folder / "kafka", extra=extra) as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        _make_known(admin)
        _allow(admin)
        yield Secured(folder, broker.bootstrap, **doors)


def _logins() -> Iterator[str]:
    for name in ("word", "both"):
        yield f'listener.name.{name}.plain.sasl.jaas.config={_PLAIN} required user_{USER}="{PASSWORD}";\n'
        yield f"listener.name.{name}.scram-sha-512.sasl.jaas.config={_SCRAM} required;\n"


def _make_known(admin: AdminClient) -> None:
    how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    told = UserScramCredentialUpsertion(USER, how, PASSWORD.encode())
    for future in admin.alter_user_scram_credentials([told]).values():
        future.result(30)


def _allow(admin: AdminClient) -> None:
    rights = [
        AclBinding(*what, ResourcePatternType.PREFIXED, who, "*", AclOperation[right], AclPermissionType.ALLOW)
        for what, names in RIGHTS.items()
        for right in names
        for who in WHO
    ]
    for future in admin.create_acls(rights).values():
        future.result(30)


def certify(folder: Path) -> None:
    """An authority, and a certificate each for broker and client: ca.pem, broker.pem, client.pem, client.key."""
    authority = ec.generate_private_key(ec.SECP256R1())
    issuer = _named("authority")
    root = _certificate(issuer, authority, issuer, authority, x509.BasicConstraints(ca=True, path_length=0))
    (folder / "ca.pem").write_bytes(root)
    for name in ("broker", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
        made = _certificate(_named(name), key, issuer, authority, here)
        (folder / f"{name}.pem").write_bytes(made if name == "client" else _pem(key) + made)
        (folder / f"{name}.key").write_bytes(_pem(key, KEY_PASSWORD))


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    authority: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> bytes:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    valid = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = valid.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return made.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM)


def _pem(key: ec.EllipticCurvePrivateKey, password: str | None = None) -> bytes:
    hidden = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden)
