"""The id of an attempt: ``message_id/number``, unique for ever, also a parameter of the status-callback URL."""

from __future__ import annotations


def join_attempt_id(message_id: str, number: int) -> str:
    """The id of attempt ``number`` (from 1) of a message."""
    return f"{message_id}/{number}"


def split_attempt_id(text: str) -> tuple[str, int] | None:
    """The message's id and the attempt's number, or None if the text is no attempt's id."""
    message_id, slash, number = text.rpartition("/")
    return (message_id, int(number)) if slash and message_id and number.isdecimal() else None
