"""What an inbound text means, and by which words.

Three readers in order: Twilio's own verdict; keywords, which must be the whole text; and, for STOP alone, sentences
that a reasonable person reads as a revocation (47 CFR 64.1200(a)(10): "stop texting me", "take me off your list").
When a sentence is in doubt, the reading depends on who loses what: a STOP too many is undone by START, a STOP missed
is a text to someone who said no. But words about stopping that ask for nothing ("don't stop", "the bus stop", a
forwarded "reply STOP to end") are not one.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby


class Meaning(StrEnum):
    """What the person wants."""

    STOP = "stop"
    START = "start"
    HELP = "help"
    STATUS = "status"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text means; ``by`` is the evidence: ``twilio``, ``keyword: …`` or ``sentence: …``, empty for OTHER."""

    meaning: Meaning
    by: str = ""


NOTHING = Reading(Meaning.OTHER)

_ASKING = frozenset(("please", "pls", "plz", "plse", "kindly"))
_POLITE = _ASKING.union(("just", "now", "ok", "okay", "thanks", "thx", "thank", "you", "ty", "hi", "hey", "hello"))
_TOLERANT = (Meaning.STOP, Meaning.HELP)  # "yes please" answers a question, it doesn't ask for START

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
_BEFORE = 5  # words before a sentence that can turn its meaning round
_TURNED = re.compile(
    r"\b(?:dont|not|never|wont|cant|cannot|couldnt|wouldnt|shouldnt|didnt|doesnt|isnt"
    r"|if|when|unless|until|before|after|why|did"
    r"|he|she|they|him|her|them|everyone|everybody|someone|somebody)\b"
)
_INSTRUCTION = re.compile(
    r"\b(?:text|txt|texting|reply|replying|send|sending|type|sms|msg) (?:back |with |the word |us )*"
    r"(?:stop|stopall|unsub|unsubscribe|end|quit|cancel|optout|opt out)\b"
)


def interpret(body: str, opt_out_type: str | None, keywords: Mapping[str, Meaning]) -> Reading:
    """Read an inbound text. ``opt_out_type`` is Twilio's ``OptOutType`` (STOP, START or HELP), which has the last word.

    ``keywords`` maps words in the form of `fold` to their meaning.
    """
    if opt_out_type and opt_out_type.lower() in set(Meaning):
        return Reading(Meaning(opt_out_type.lower()), "twilio")
    clauses = _clauses(body)
    return _by_keyword(clauses, keywords) or _by_sentence(clauses) or NOTHING


def fold(text: str) -> str:
    """A text down to what counts in it: words in lower case, without accents, punctuation, emoji or doubled words."""
    return " ".join(word for word, _ in groupby(_words(_clauses(text))))


def _by_keyword(clauses: list[str], keywords: Mapping[str, Meaning]) -> Reading | None:
    words = [word for word, _ in groupby(_words(clauses))]
    exact = keywords.get(" ".join(words))
    if exact is not None:
        return Reading(exact, f"keyword: {' '.join(words)}")
    bare = " ".join(_without_politeness(words))
    meaning = keywords.get(bare)
    return Reading(meaning, f"keyword: {bare}") if meaning in _TOLERANT and meaning is not None else None


def _by_sentence(clauses: list[str]) -> Reading | None:
    if _INSTRUCTION.search(" ".join(clauses)):
        return None
    for clause in clauses:
        for found in _SENTENCES.finditer(clause):
            if not _turned(clause[: found.start()].split()):
                return Reading(Meaning.STOP, f"sentence: {found[0].strip()}")
    return None


def _turned(before: list[str]) -> bool:
    """Whether the words before make it no request; "please" right before always makes it one."""
    return not (before and before[-1] in _ASKING) and bool(_TURNED.search(" ".join(before[-_BEFORE:])))


def _clauses(text: str) -> list[str]:
    """The text cut at punctuation, each piece as plain words divided by single spaces."""
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
    meant = [place for place, word in enumerate(words) if word not in _POLITE]
    return words[meant[0] : meant[-1] + 1] if meant else []
