"""How a text is cut into segments, the unit that is billed and that carriers count.

A segment carries 140 octets: 160 septets of GSM-7 or 70 UTF-16 units of UCS-2. A longer text is cut into segments with
a header of six octets each, which leaves 153 septets or 67 units. One character outside GSM-7 turns the whole text into
UCS-2. Source: 3GPP TS 23.038 and https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding

A segment never ends inside a pair (escape and extension character, or two surrogates). Twilio's own calculator also
does not cut grapheme clusters. Whether the network cuts them is not documented; the difference is one segment at most,
and the number that Twilio reports for a message corrects the count. So grapheme clusters are cut here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from processors.core.sms.smart_encoding import LOOK_ALIKES

_ESCAPE = "\x1b"
_BASIC = (
    "\n\r !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
    "¡£¤¥§¿ÄÅÆÇÉÑÖØÜßàäåæèéìñòöøùüΓΔΘΛΞΠΣΦΨΩ"
)
_EXTENSION = "\f[\\]^{|}~€"
_ESCAPED = str.maketrans({character: _ESCAPE + character for character in _EXTENSION})
_NOT_GSM = re.compile(f"[^{re.escape(_BASIC + _EXTENSION)}]")
_EXTENDED = re.compile(f"[{re.escape(_EXTENSION)}]")


@dataclass(frozen=True, slots=True)
class Measure:
    """The size of a text as it is transmitted. ``units`` are septets (GSM-7) or UTF-16 code units (UCS-2)."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int


@dataclass(frozen=True, slots=True)
class Savings:
    """The size of a text without and with smart encoding."""

    before: Measure
    after: Measure

    @property
    def segments(self) -> int:
        """Segments saved; negative where a replacement is longer than the character it replaces."""
        return self.before.segments - self.after.segments


def measure(text: str) -> Measure:
    """The size of a text. An empty text has no segment: a message of media alone is not cut."""
    return _ucs2(text) if _NOT_GSM.search(text) else _gsm7(text)


def smart_encode(text: str) -> str:
    """The text with look-alikes of GSM-7 characters replaced, as Twilio's ``SmartEncoded`` does.

    Letters with accents and emoji have no look-alike and stay. Twilio's replacement for unusual spaces is not certain:
    such a space counts as one space here.
    Source: https://www.twilio.com/docs/messaging/services/smart-encoding-char-list
    """
    return text.translate(LOOK_ALIKES) if _NOT_GSM.search(text) else text


def savings(text: str) -> Savings:
    """What smart encoding would change for this text."""
    return Savings(measure(text), measure(smart_encode(text)))


def _gsm7(text: str) -> Measure:
    pairs = len(_EXTENDED.findall(text))
    units = len(text) + pairs
    if units <= 160:
        return Measure("GSM-7", units, min(units, 1))
    if not pairs:
        return Measure("GSM-7", units, -(-units // 153))
    septets = text.translate(_ESCAPED)
    starts_pair = [septet == _ESCAPE for septet in septets]
    return Measure("GSM-7", units, _count_segments(starts_pair, 153))


def _ucs2(text: str) -> Measure:
    octets = text.encode("utf-16-be", "surrogatepass")
    units = len(octets) // 2
    if units <= 70:
        return Measure("UCS-2", units, 1)
    if units == len(text):
        return Measure("UCS-2", units, -(-units // 67))
    starts_pair = [0xD8 <= high <= 0xDB for high in octets[::2]]
    return Measure("UCS-2", units, _count_segments(starts_pair, 67))


def _count_segments(starts_pair: list[bool], size: int) -> int:
    """How many segments of ``size`` units a text has, if no segment may end with the first half of a pair.

    Args:
        starts_pair: For each unit, whether it is the first half of a pair.
    """
    start = count = 0
    while start < len(starts_pair):
        start += size
        if start < len(starts_pair) and starts_pair[start - 1]:
            start -= 1
        count += 1
    return count
