"""When two texts count as the same text, although Twilio may have changed one of them.

The search of Twilio's message list and the person stage's test for ambiguous messages must agree on this: if the search
took two texts for the same and the test did not, a message could be taken for the wrong attempt's.
"""

from __future__ import annotations

import unicodedata


def letters_and_digits(text: str) -> str:
    """A text without what smart encoding replaces: only its letters and digits, in lower case.

    Compatibility characters (full-width letters, ligatures, small capitals with a decomposition) become plain ones.
    """
    return "".join(char for char in unicodedata.normalize("NFKD", text).casefold() if char.isalnum())
