"""Segments as Twilio bills them: the simulator's own count, kept apart from the one it is to check.

Source: https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding (160/153 septets, 70/67 UTF-16 units; an
escape pair and a surrogate pair stay in one part).
"""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPED = frozenset("\f^{}\\[~]|€")

# https://www.twilio.com/docs/messaging/services/smart-encoding-char-list: the families met in real texts.
_SMART = str.maketrans(
    {
        **dict.fromkeys("«»“”„‟ʺ❝❞〝〞＂", '"'),
        **dict.fromkeys("‘’‛ʻʼʹˈ´ˊ`❛❜＇", "'"),
        **dict.fromkeys("‐–—―−•﹣－", "-"),
        **dict.fromkeys("\u200b\u200c\u2060\ufeff", ""),
        **{"‹": "<", "›": ">", "…": "...", "‼": "!!", "¼": "1/4", "½": "1/2", "¾": "3/4", "÷": "/", "⁄": "/"},
    }
)


def smart_encoded(text: str) -> str:
    """The text with look-alikes in place of characters that GSM-7 has not."""
    return text.translate(_SMART)


def count_segments(text: str) -> int:
    """How many billed parts the text takes; an empty one takes 1."""
    if all(char in _BASIC or char in _ESCAPED for char in text):
        return _parts([2 if char in _ESCAPED else 1 for char in text], single=160, part=153)
    return _parts([2 if ord(char) > 0xFFFF else 1 for char in text], single=70, part=67)


def _parts(widths: list[int], *, single: int, part: int) -> int:
    if sum(widths) <= single:
        return 1
    parts, used = 1, 0
    for width in widths:
        if used + width > part:
            parts, used = parts + 1, 0
        used += width
    return parts
