"""Verifies ``X-Twilio-Signature``: whether Twilio made this webhook.

HMAC over the URL as Twilio requested it, then every form field's name and value, sorted by name, each distinct value of
a repeated field in order; in Base64. SHA-1 with the account's auth token; with a shared key, which the header
X-Twilio-Webhooks-Signature-Settings names, its algorithm may be SHA-256. A body that is no form is covered by its
SHA-256 in the URL. Sources: https://www.twilio.com/docs/usage/security
and https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys

Gives the same result as the SDK's RequestValidator (a property test compares them) at a fraction of its cost, compares
in constant time and never raises for what a client sends.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from connectors.twilio.errors import SettingError
from connectors.twilio.urls import check_url

Fields = Sequence[tuple[str, str]]
_DEFAULT_PORTS = {"https": 443, "http": 80}
_ALGORITHMS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}
)


def signature(secret: str, url: str, fields: Fields, algorithm: str = "HMAC_SHA1") -> str:
    """The signature Twilio would make. ``url`` is without its fragment."""
    message = url.encode("utf-8", "surrogateescape") + canonical(fields)
    return _sign(secret.encode(), message, _ALGORITHMS[algorithm]).decode()


def canonical(fields: Fields) -> bytes:
    """The form's fields in the order and spelling that are signed."""
    ordered = sorted(fields)
    if len(dict(ordered)) < len(ordered):  # repeated names are rare, and looking for repeated pairs is not free
        ordered = sorted(set(ordered))
    return "".join(chain.from_iterable(ordered)).encode("utf-8", "surrogateescape")


def _sign(secret: bytes, message: bytes, algorithm: Callable[..., Any] = hashlib.sha1) -> bytes:
    return b64encode(hmac.digest(secret, message, algorithm))


PreparedHmacs = tuple["hmac.HMAC", ...]
"""HMACs of one secret, each fed with one spelling of our public URL; copying one costs less than making one."""


def _prepare(secret: bytes, bases: Sequence[bytes], algorithm: Callable[..., Any] = hashlib.sha1) -> PreparedHmacs:
    return tuple(hmac.new(secret, base, algorithm) for base in bases)


def _signs(prepared: hmac.HMAC, rest: bytes, claimed: bytes) -> bool:
    made = prepared.copy()
    made.update(rest)
    return hmac.compare_digest(b64encode(made.digest()), claimed)


class SignatureCheck:
    """Verifies signatures against our public URL and every secret Twilio may sign with."""

    def __init__(self, public_url: str, tokens: Sequence[str], shared_keys: Mapping[str, str] | None = None) -> None:
        """Prepare the HMACs.

        Args:
            public_url: The URL before the path in the webhook URLs given to Twilio.
            tokens: Auth tokens. Twilio signs with the primary token until the secondary is promoted: during a rotation
                both are given.
            shared_keys: Secrets by the id of their key.

        Raises:
            SettingError: The URL cannot be used, there is no secret, or a secret is empty.
        """
        check_url("public_url", public_url)
        if not (tokens or shared_keys) or not all(tokens):
            raise SettingError("auth_tokens: at least one, none of them empty; API key secrets sign no webhook")
        if shared_keys and not all((*shared_keys, *shared_keys.values())):
            raise SettingError("shared_keys: neither a key's id nor its secret may be empty")
        bases = [base.encode() for base in _spellings(public_url.rstrip("/"))]
        self._tokens = tuple(prepared for token in tokens for prepared in _prepare(token.encode(), bases))
        self._shared_keys = {
            (name, word): _prepare(secret.encode(), bases, algorithm)
            for name, secret in (shared_keys or {}).items()
            for word, algorithm in _ALGORITHMS.items()
        }

    def verify(self, target: str, fields: Fields, given: str | None, key: str | None = None) -> bool:
        """Whether one of our secrets made the signature of a form.

        Args:
            target: Path and query as sent.
            fields: The form's fields; none for a body that is no form.
            given: The header ``X-Twilio-Signature``.
            key: The header that names a shared key and its algorithm, where there is one.
        """
        if not given:
            return False
        claimed = given.encode("utf-8", "surrogateescape")
        rest = target.encode("utf-8", "surrogateescape") + canonical(fields)
        for prepared in self._tokens if key is None else self._named(key):  # noqa: SIM110  in every callback's path
            if _signs(prepared, rest, claimed):
                return True
        return False

    def verify_body(self, target: str, body: bytes, given: str | None, key: str | None = None) -> bool:
        """Whether one of our secrets signs the URL of ``target``, and its query has the hash of this very body."""
        claimed = next(
            (pair[11:] for pair in target.partition("?")[2].split("&") if pair.startswith("bodySHA256=")), ""
        )
        matches = hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), claimed.lower().encode())
        return matches and self.verify(target, (), given, key)

    def _named(self, key: str) -> PreparedHmacs:
        """The HMACs that a header like ``key=ID,algorithm=HMAC_SHA256`` names; none for an unknown key or algorithm."""
        pairs = (pair.partition("=") for pair in key.split(","))
        named = {name.strip(): value.strip() for name, _, value in pairs}
        return self._shared_keys.get((named.get("key", ""), named.get("algorithm", "").upper()), ())


def _spellings(url: str) -> tuple[str, ...]:
    """The URL as configured, then with the scheme's default port added or removed: Twilio may name the port or not."""
    split = urlsplit(url)
    port = _DEFAULT_PORTS[split.scheme]
    if split.port is None:
        return url, split._replace(netloc=f"{split.netloc}:{port}").geturl()
    if split.port == port:
        return url, split._replace(netloc=split.netloc.rpartition(":")[0]).geturl()
    return (url,)
