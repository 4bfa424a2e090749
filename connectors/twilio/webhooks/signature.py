"""X-Twilio-Signature: is this webhook Twilio's?

HMAC over the URL as Twilio requested it, then every form field's name and value, sorted by name, each distinct value of
a repeated field in order; in Base64. SHA-1 with the account's auth token; with a shared key, which the header
X-Twilio-Webhooks-Signature-Settings names, its algorithm may be SHA-256. A body that is no form is covered by its
SHA-256 in the URL. Sources: https://www.twilio.com/docs/usage/security
and https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys

Says the same as the SDK's RequestValidator (a property test compares them) at a fraction of its cost, compares in
constant time and never raises.
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
    """What Twilio would sign. ``url`` without its fragment."""
    message = url.encode("utf-8", "surrogateescape") + canonical(fields)
    return _sign(secret.encode(), message, _ALGORITHMS[algorithm]).decode()


def canonical(fields: Fields) -> bytes:
    """The form as it is signed."""
    ordered = sorted(fields)
    if len(dict(ordered)) < len(ordered):  # repeated names are rare, and looking for repeated pairs is not free
        ordered = sorted(set(ordered))
    return "".join(chain.from_iterable(ordered)).encode("utf-8", "surrogateescape")


def _sign(secret: bytes, message: bytes, algorithm: Callable[..., Any] = hashlib.sha1) -> bytes:
    return b64encode(hmac.digest(secret, message, algorithm))


Begun = tuple["hmac.HMAC", ...]
"""HMACs of one secret that have taken in each spelling of our own URL: a copy costs less than a new one."""


def _begun(secret: bytes, bases: Sequence[bytes], algorithm: Callable[..., Any] = hashlib.sha1) -> Begun:
    return tuple(hmac.new(secret, base, algorithm) for base in bases)


def _signs(begun: hmac.HMAC, rest: bytes, claimed: bytes) -> bool:
    made = begun.copy()
    made.update(rest)
    return hmac.compare_digest(b64encode(made.digest()), claimed)


class SignatureCheck:
    """Knows where Twilio believes us to be, and every token it may sign with.

    ``public_url`` is what stands before the path in the URLs given to Twilio. Twilio signs with the primary token until
    another is promoted: during a rotation both are ``tokens``. ``shared_keys`` are secrets by the key's id. Raises
    SettingError for what cannot be used.
    """

    def __init__(self, public_url: str, tokens: Sequence[str], shared_keys: Mapping[str, str] | None = None) -> None:
        check_url("public_url", public_url)
        if not (tokens or shared_keys) or not all(tokens):
            raise SettingError("auth_tokens: at least one, none of them empty; API key secrets sign no webhook")
        if shared_keys and not all((*shared_keys, *shared_keys.values())):
            raise SettingError("shared_keys: neither a key's id nor its secret may be empty")
        bases = [base.encode() for base in _spellings(public_url.rstrip("/"))]
        self._tokens = tuple(begun for token in tokens for begun in _begun(token.encode(), bases))
        self._shared_keys = {
            (name, word): _begun(secret.encode(), bases, algorithm)
            for name, secret in (shared_keys or {}).items()
            for word, algorithm in _ALGORITHMS.items()
        }

    def genuine(self, target: str, fields: Fields, given: str | None, key: str | None = None) -> bool:
        """Whether one of our secrets made the header ``given`` for ``target`` (raw, with its query) and ``fields``.

        ``key`` is the header that names a shared key and its algorithm, where there is one.
        """
        if not given:
            return False
        claimed = given.encode("utf-8", "surrogateescape")
        rest = target.encode("utf-8", "surrogateescape") + canonical(fields)
        for begun in self._tokens if key is None else self._named(key):  # noqa: SIM110  in the path of every callback
            if _signs(begun, rest, claimed):
                return True
        return False

    def genuine_body(self, target: str, body: bytes, given: str | None, key: str | None = None) -> bool:
        """Whether the signed URL ``target`` carries the hash of this very body."""
        claimed = next(
            (part[11:] for part in target.partition("?")[2].split("&") if part.startswith("bodySHA256=")), ""
        )
        fits = hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), claimed.lower().encode())
        return fits and self.genuine(target, (), given, key)

    def _named(self, key: str) -> Begun:
        """What a header like ``key=ID,algorithm=HMAC_SHA256`` names; nothing if we lack the key or the algorithm."""
        parts = (part.partition("=") for part in key.split(","))
        said = {name.strip(): value.strip() for name, _, value in parts}
        return self._shared_keys.get((said.get("key", ""), said.get("algorithm", "").upper()), ())


def _spellings(url: str) -> tuple[str, ...]:
    """The URL as configured, then with the scheme's own port added or removed: Twilio may name it or not."""
    parts = urlsplit(url)
    port = _DEFAULT_PORTS[parts.scheme]
    if parts.port is None:
        return url, parts._replace(netloc=f"{parts.netloc}:{port}").geturl()
    if parts.port == port:
        return url, parts._replace(netloc=parts.netloc.rpartition(":")[0]).geturl()
    return (url,)
