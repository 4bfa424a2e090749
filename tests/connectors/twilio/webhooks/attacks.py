"""Requests nobody honest sends, as raw bytes: one per seed, so that any of them can be made again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from random import Random
from urllib.parse import quote, urlencode

from connectors.twilio.webhooks.signature import signature

PUBLIC = "https://sms.example.com"
TOKEN = "t" * 32
MAX_BYTES = 4096

METHODS = ("POST",) * 12 + (
    "GET",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "CONNECT",
    "TRACE",
    "post",
    "P\xf6ST",
    "",
)
PATHS = ("/twilio/status",) * 6 + (
    "/twilio/status?attempt_id=m1/1",
    "/twilio/inbound",
    "/twilio/inbound",
    "/twilio/events",
    "/twilio/events",
    "/twilio/events?bodySHA256=00",
    "/health",
    "/ready",
    "/metrics",
    "/",
    "*",
    "//twilio/status",
    "/twilio/../twilio/status",
    "/twilio/status#x",
    "/twilio/status?" + "a=1&" * 200,
    "/twilio/status?%00%ff%zz=%",
    "http://other.example.com/twilio/status",
    "http://[::1/twilio/status",
    "/\xff\xfe",
    "/" + "a" * 9000,
)
TYPES = ("application/x-www-form-urlencoded",) * 6 + (
    "application/x-www-form-urlencoded; charset=utf-16",
    "application/x-www-form-urlencoded; charset=" + "x" * 200,
    "application/json",
    "application/json",
    "application/cloudevents-batch+json",
    "multipart/form-data; boundary=x",
    "text/plain",
    "",
    "\xff",
)
ODD_HEADERS = (
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding: gzip, chunked",
    "Content-Length: 5",
    "Content-Length: 0x10",
    "Content-Length: 99999999999999999999999",
    "Content-Length: -1",
    "Content-Length: ",
    "Content-Encoding: gzip",
    "Connection: close",
    "Connection: upgrade\r\nUpgrade: websocket",
    "Connection: Content-Length",
    "Expect: 100-continue",
    "Host: second.example.com",
    "X-Twilio-Signature: second",
    "X-Twilio-Webhooks-Signature-Settings: key=a,algorithm=HMAC_SHA256",
    "X-Twilio-Webhooks-Signature-Settings: ,,==,\xff",
    "I-Twilio-Idempotency-Token: \xff\xfe",
    "X-Forwarded-Host: sms.example.com",
    "Cookie: " + "c" * 9000,
    "X: 1\r\n folded",
    "X\x00: 1",
    "X: a\x00b",
    ": no name",
    "no colon",
    "\r\nPOST /twilio/status HTTP/1.1\r\nHost: h\r\n",
)
FORM = [
    ("MessageSid", "SM1"),
    ("MessageStatus", "sent"),
    ("To", "+12125550100"),
    ("From", "+12125550101"),
    ("Body", ""),
]


def request(seed: int) -> bytes:
    """An unsigned one."""
    random = Random(seed)
    if random.random() < 0.5:
        return _well_formed(random, _body(random))
    raw = _assembled(random, _body(random))
    for change in random.sample(CHANGES, random.choice((0, 0, 0, 1, 1, 2))):
        raw = change(random, raw)
    return raw


def signed_request(seed: int) -> bytes:
    """One whose signature is right, and whose fields make no sense."""
    random = Random(seed)
    path = f"/twilio/{random.choice(('status', 'inbound'))}?attempt_id={quote(_text(random))}"
    fields = [*_some(random, FORM), *((_text(random), _text(random)) for _ in range(random.randrange(6)))]
    random.shuffle(fields)
    body = urlencode(fields).encode()
    head = [f"POST {path} HTTP/1.1", "Host: h", f"Content-Length: {len(body)}"]
    head += ["Content-Type: application/x-www-form-urlencoded", "Connection: close"]
    head += [f"X-Twilio-Signature: {signature(TOKEN, PUBLIC + path, fields)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


def _well_formed(random: Random, body: bytes) -> bytes:
    """Good HTTP, so that it gets past the parser."""
    path = random.choice([path for path in PATHS if path.startswith("/twilio") and path.isascii()])
    lines = [f"POST {path} HTTP/1.1", "Host: h", f"Content-Length: {len(body)}", *_signatures(random)]
    lines.append(f"Content-Type: {random.choice(TYPES)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _assembled(random: Random, body: bytes) -> bytes:
    lines = [
        f"{random.choice(METHODS)} {random.choice(PATHS)} HTTP/{random.choice(('1.1',) * 9 + ('1.0', '2', '0.9'))}"
    ]
    lines += ["Host: sms.example.com"] * random.choice((1,) * 9 + (0, 2))
    lines += [f"Content-Type: {random.choice(TYPES)}", *_signatures(random)]
    lines += random.sample(ODD_HEADERS, random.choice((0, 0, 0, 0, 1, 1, 2)))
    if random.random() < 0.8:
        lines.append(f"Content-Length: {len(body)}")
    elif random.random() < 0.7:
        lines.append("Transfer-Encoding: chunked")
        body = _chunked(random, body)
    lines += ["X-Many: x"] * random.choice((0,) * 20 + (200,))
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _signatures(random: Random) -> Sequence[str]:
    """None, nonsense, a right one of another secret, or a right one for something else."""
    stolen = signature(TOKEN, f"{PUBLIC}/twilio/status?attempt_id=other/9", FORM)
    forged = signature("x" * 32, f"{PUBLIC}/twilio/status", FORM)
    choices: tuple[list[str], ...] = (
        [],
        ["nonsense"],
        [""],
        [forged],
        [stolen],
        [stolen, forged],
        ["\xff" * 28],
        ["=" * 5000],
    )
    return [f"X-Twilio-Signature: {value}" for value in random.choice(choices)]


def _body(random: Random) -> bytes:
    kind = random.randrange(10)
    if kind < 4:
        return urlencode([*_some(random, FORM), (_text(random), _text(random))]).encode()
    if kind == 4:
        return json.dumps(
            [{"type": "com.twilio.messaging.message.sent", "data": dict(FORM)}] * random.randrange(3)
        ).encode()
    if kind == 5:
        return random.choice((b"[" * 4000, b'{"a":' * 700, b"9" * 4000, b'"\\ud800"', b"nul", b"[NaN]"))
    if kind == 6:
        return gzip.compress(b"To=" + b"0" * 100_000)
    if kind == 7:
        return b"POST /twilio/status HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
    if kind == 8:
        return random.randbytes(random.choice((0, 1, 10, 100, MAX_BYTES, MAX_BYTES + 1, 20_000)))
    return b"&".join(
        random.choices((b"", b"=", b"a", b"a=%", b"a=%ff%fe", b"%00=%00", b"a=+&a=+", b"MessageSid=1"), k=300)
    )


def _chunked(random: Random, body: bytes) -> bytes:
    size = random.choice(
        (b"%x" % len(body), b"%X;ext=1" % len(body), b"0", b"-1", b"ffffffffffffffff", b"%x\n" % len(body))
    )
    return size + b"\r\n" + body + b"\r\n" + random.choice((b"0\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n", b"", b"0\r\n"))


def _cut(random: Random, raw: bytes) -> bytes:
    return raw[: random.randrange(len(raw) + 1)]


def _flipped(random: Random, raw: bytes) -> bytes:
    changed = bytearray(raw)
    for _ in range(random.randrange(1, 6) if raw else 0):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _bare_newlines(_: Random, raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n")


def _twice(random: Random, raw: bytes) -> bytes:
    return raw + _assembled(random, b"")


def _after_blank_lines(_: Random, raw: bytes) -> bytes:
    return b"\r\n\r\n" + raw


CHANGES = (_cut, _flipped, _flipped, _bare_newlines, _twice, _after_blank_lines)


def _some(random: Random, fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return random.sample(fields, random.choice((len(fields), len(fields), random.randrange(len(fields)))))


def _text(random: Random) -> str:
    alphabet = "aB0 +&=%;/\\'\"<\x00\n\r\t\u00e9\u4f60\U0001f600\u202e\ufeff"
    return "".join(random.choices(alphabet, k=random.choice((0, 1, 5, 50))))
