"""The texts in a TwiML response.

Source: https://www.twilio.com/docs/messaging/twiml
"""

from xml.etree import ElementTree

MAX_BYTES = 64 * 1024  # https://www.twilio.com/docs/api/errors/11750


def is_twiml(body: str) -> bool:
    """Whether a response body is empty or an XML document; else Twilio logs error 12100 and uses the fallback URL."""
    return not body.strip() or _parse(body) is not None


def _parse(body: str) -> ElementTree.Element | None:
    if len(body) > MAX_BYTES:
        return None
    try:
        return ElementTree.fromstring(body)  # noqa: S314  the response of our own ingester, bounded above
    except ElementTree.ParseError:
        return None


def reply_texts(body: str) -> list[str]:
    """The text of every message in a TwiML response; none if the body is no TwiML."""
    root = _parse(body)
    if root is None:
        return []
    verbs = [verb for verb in root if root.tag == "Response" and verb.tag in ("Message", "Sms")]
    return [text for text in map(_verb_text, verbs) if text]


def _verb_text(verb: ElementTree.Element) -> str:
    nested = verb.find("Body")
    return ((verb if nested is None else nested).text or "").strip()
