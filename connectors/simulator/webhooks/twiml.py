"""The texts in a TwiML reply: https://www.twilio.com/docs/messaging/twiml"""

from xml.etree import ElementTree

MAX_BYTES = 64 * 1024  # https://www.twilio.com/docs/api/errors/11750


def readable(body: str) -> bool:
    """Whether a reply is empty or an XML document; if not, Twilio logs error 12100 and asks the fallback URL."""
    return not body.strip() or _root(body) is not None


def _root(body: str) -> ElementTree.Element | None:
    if len(body) > MAX_BYTES:
        return None
    try:
        return ElementTree.fromstring(body)  # noqa: S314  our own ingester's answer, bounded above
    except ElementTree.ParseError:
        return None


def reply_texts(body: str) -> list[str]:
    """What a reply says, message by message; nothing if it is no TwiML."""
    root = _root(body)
    if root is None:
        return []
    verbs = [verb for verb in root if root.tag == "Response" and verb.tag in ("Message", "Sms")]
    return [text for text in map(_text, verbs) if text]


def _text(verb: ElementTree.Element) -> str:
    nested = verb.find("Body")
    return ((verb if nested is None else nested).text or "").strip()
