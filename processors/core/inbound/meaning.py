"""What an inbound text means.

Three readings are tried in order: Twilio's own ``OptOutType``; keywords, which must be the whole text; and, for STOP
only, sentences that a reasonable person understands as a revocation ("stop texting me", "take me off your list").

A doubtful sentence is read as STOP, because START takes back a STOP that was read by mistake, while a STOP that was
missed is a text to a person who refused texts. But words about stopping that ask for nothing ("don't stop", "the bus
stop", a forwarded "reply STOP to end") are no STOP.

Source: 47 CFR 64.1200(a)(10), revocation of consent by any reasonable means.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from itertools import groupby


class Meaning(StrEnum):
    """What a person wants with a text."""

    STOP = "stop"
    START = "start"
    HELP = "help"
    STATUS = "status"
    OTHER = "other"


_ASKING = frozenset(("please", "pls", "plz", "plse", "kindly"))
_POLITE = _ASKING.union(("just", "now", "ok", "okay", "thanks", "thx", "thank", "you", "ty", "hi", "hey", "hello"))
_TOLERANT = (Meaning.STOP, Meaning.HELP)  # may have polite words around them; "yes please" does not ask for START

_TEXTS = r"(?:text messages?|texts?|txts?|messages?|msgs?|sms|spam|alerts|ads|offers|promotions|notifications)"
_TEXTING = r"(?:texting|txting|messaging|msging|contacting|spamming|bothering|harassing|pestering|smsing)"
_TEXT = r"(?:text|txt|message|msg|sms|contact|bother|spam|harass)"
_WHOM = r"(?:me|us|(?:my|this|our) (?:number|phone|cell|mobile|line))"
_LIST = (
    r"(?:\w+ ){0,5}?"
    r"(?:lists?|database|system|records|texts?|messages?|contacts|service|program|campaign|subscription)"
)
_AGAIN = r"(?: (?:again|anymore|any more|any longer|ever|ever again|no more|please|pls|plz|thanks|thank you|period))*"
_MANY = r"(?:(?:any|all|of|these|those|the|this|your|ur|more|anymore|such|further|unwanted|random) )*"

_DO_NOT = r"(?:(?<!\byou )(?<!\bu )(?:dont|do not)|(?:^|please )never)"  # "you never text me" complains of silence

_SENTENCES = re.compile(
    "|".join(
        (
            rf"(?:stop|quit|cease|discontinue) {_TEXTING}(?: {_WHOM}\b|$)",
            rf"(?:stop|quit|cease|discontinue) sending (?:{_WHOM}\b|{_MANY}{_TEXTS}\b)",
            rf"(?:stop|end|cease|discontinue|cancel) {_MANY}{_TEXTS}(?: to {_WHOM})?{_AGAIN}$",
            rf"{_DO_NOT} (?:ever )?{_TEXT} {_WHOM}{_AGAIN}$",
            rf"{_DO_NOT} (?:ever )?send {_WHOM} {_MANY}(?:{_TEXTS}|anything)\b",
            rf"(?:dont|do not|no longer) (?:want|wish|need|care)(?: to (?:get|receive|have))? {_MANY}{_TEXTS}\b",
            rf"^no more {_MANY}{_TEXTS}(?: (?:to|for) {_WHOM}| from you)?{_AGAIN}$",
            rf"(?:take|remove|delete|drop|get) (?:{_WHOM}|my name) (?:off|from|out of) {_LIST}\b",
            rf"(?:remove|unsubscribe|delete|unenroll|unregister) {_WHOM}{_AGAIN}$",
            r"unsubscribe (?:me|us)\b",
            r"opt (?:me|us) out\b",
            r"(?:want|wish|like|need|trying|asked|how) to (?:unsubscribe|opt out)\b",
            r"(?:can|do) i (?:unsubscribe|opt out)\b",
            rf"^(?:unsubscribe|opt out) (?:from|of) {_LIST}$",
            rf"leave {_WHOM} alone{_AGAIN}$",
            rf"lose my number{_AGAIN}$",
            r"^i(?: have|ve)? (?:already )?(?:texted|sent|replied|said|typed|told you to|asked you to) stop$",
        )
    )
)
_BEFORE = 5  # so many words before a sentence can reverse its meaning
_TURNED = re.compile(
    r"\b(?:dont|not|never|wont|cant|cannot|couldnt|wouldnt|shouldnt|didnt|doesnt|isnt"
    r"|if|when|unless|until|before|after|why|did"
    r"|he|she|they|him|her|them|everyone|everybody|someone|somebody)\b"
)
_INSTRUCTION = re.compile(
    r"\b(?:text|txt|texting|reply|replying|send|sending|type|sms|msg) (?:back |with |the word |us )*"
    r"(?:stop|stopall|unsub|unsubscribe|end|quit|cancel|optout|opt out)\b"
)


def interpret(body: str, opt_out_type: str | None, keywords: Mapping[str, Meaning]) -> Meaning:
    """What an inbound text means.

    Args:
        body: The text.
        opt_out_type: Twilio's ``OptOutType`` (STOP, START or HELP), which takes precedence over the text, or None.
        keywords: Words, as ``fold`` returns them, to their meaning.
    """
    if opt_out_type and opt_out_type.lower() in set(Meaning):
        return Meaning(opt_out_type.lower())
    clauses = _clauses(body)
    meaning = _keyword_meaning(clauses, keywords)
    if meaning is None and _asks_to_stop(clauses):
        return Meaning.STOP
    return meaning or Meaning.OTHER


def fold(text: str) -> str:
    """The words of a text in lower case, without accents, punctuation, emoji and immediate repetitions."""
    return " ".join(word for word, _ in groupby(_words(_clauses(text))))


def _keyword_meaning(clauses: list[str], keywords: Mapping[str, Meaning]) -> Meaning | None:
    words = [word for word, _ in groupby(_words(clauses))]
    exact = keywords.get(" ".join(words))
    if exact is not None:
        return exact
    meaning = keywords.get(" ".join(_without_politeness(words)))
    return meaning if meaning in _TOLERANT else None


def _asks_to_stop(clauses: list[str]) -> bool:
    """Whether a sentence asks to stop, outside of a forwarded instruction like "reply STOP to end"."""
    if _INSTRUCTION.search(" ".join(clauses)):
        return False
    return any(
        not _is_turned(clause[: found.start()].split()) for clause in clauses for found in _SENTENCES.finditer(clause)
    )


def _is_turned(before: list[str]) -> bool:
    """Whether the words before a sentence make it no request. A "please" right before always makes it a request."""
    return not (before and before[-1] in _ASKING) and bool(_TURNED.search(" ".join(before[-_BEFORE:])))


def _clauses(text: str) -> list[str]:
    """The text cut at punctuation, each piece as plain words separated by single spaces."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    plain = re.sub(r"['’‘`´]", "", plain)
    pieces = re.split(r"[.!?;:,()\n\r…\"“”]+", plain)
    return [words for piece in pieces if (words := " ".join(re.findall(r"\w+", piece)))]


def _words(clauses: list[str]) -> list[str]:
    words = " ".join(clauses).split()
    spelled_out = len(words) > 2 and all(len(word) == 1 for word in words)
    return ["".join(words)] if spelled_out else words


def _without_politeness(words: list[str]) -> list[str]:
    others = [place for place, word in enumerate(words) if word not in _POLITE]
    return words[others[0] : others[-1] + 1] if others else []
