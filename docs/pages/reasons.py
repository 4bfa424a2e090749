"""docs/reasons.md: every reason and status that smsflow gives, and what to do about it."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from pages.tools import NOTE, ROOT, page, table

from processors.core.sms.retry_policy import CodeAction
from schemas.reasons import AttemptReason, DeadLetterReason, ExplainedEnum, FailureReason, OwnStatus, WaitReason

INTRODUCTION = """
Reasons are stable words: filter and alert on them. `detail`, beside them, is for people and may change. `smsflow trace
MESSAGE_ID` shows both for one message.
"""
STATUSES = """
`status` on `sms-status` where smsflow gives the status; all others are Twilio's.
"""
WAITING = """
`reason` of a status `waiting` on `sms-status`; `until` says how long, where that is known.
"""
FAILED = """
`reason` on `sms-failed` where no code of Twilio's stands behind it. Two cases take the reason of an attempt (see
[Attempts](#attempts)): a message that was never accepted and has used up its 8 tries, and an attempt the sender stage
found expired or opted out.
"""
CODES = """
From [`processors/policies/twilio_codes.csv`](../processors/policies/twilio_codes.csv), which links every code to its
source. *Again*: whether another try can help; smsflow retries by itself only *later* ones, and a message that Twilio
had already accepted only if *resend* says `yes` and its class allows it
([`classes.toml`](../processors/policies/classes.toml): transactional does). All others end with this reason; those of
*later* and *after a fix* are replayable, unless Twilio had accepted the message. *Action* is what smsflow
does besides:
"""
ATTEMPTS = """
`reason` on `sms-attempts`, the answers of the sender stage. They end no message by themselves: *not sent* is tried
again with back-off while the deadline and 8 tries allow, *unknown* is settled by evidence first.
"""
DEAD_LETTERS = """
`reason` of a record on a `-dlq` topic. `detail` names the field or the place in the code; `topic`, `partition` and
`offset` say where the record came from, `key` and `value` are its bytes.
"""
_AGAIN = {"N": "never", "L": "later", "F": "after a fix", "U": "unknown: settled first"}


def reasons_page() -> str:
    """Every reason and status, and what to do."""
    return page(
        NOTE.format(source="schemas/reasons.py and processors/policies/twilio_codes.csv"),
        "# Reasons",
        INTRODUCTION,
        "## Statuses of smsflow's own",
        STATUSES,
        _words(OwnStatus),
        "## Waiting",
        WAITING,
        _words(WaitReason),
        "## Failed: smsflow's own reasons",
        FAILED,
        _words(FailureReason),
        "## Failed: reasons for Twilio's codes",
        CODES,
        _words(CodeAction),
        table(("code", "meaning", "reason", "again", "resend", "action"), _codes()),
        "## Attempts",
        ATTEMPTS,
        _words(AttemptReason),
        "## Dead letters",
        DEAD_LETTERS,
        _words(DeadLetterReason),
    )


def _words(kind: type[ExplainedEnum]) -> str:
    return table(("word", "means", "what to do"), ([f"`{word}`", word.means, word.do] for word in kind))


def _codes() -> Iterator[list[str]]:
    for row in csv.DictReader((ROOT / "processors/policies/twilio_codes.csv").read_text("utf-8").splitlines()):
        again = _AGAIN[row["retry"]] + (f", {row['tries']} tries in all" if row["tries"] else "")
        source = row["source"]
        code = f"[{row['code']}]({source})" if source.startswith("https://") else row["code"].replace("*", "any other")
        yield [code, row["meaning"], f"`{row['reason']}`", again, row["resend"], f"`{row['action']}`"]
