"""Every reason and status that smsflow itself gives, with what each means and what an operator does about it.

``docs/reasons.md`` is made from these enums. A reason is a stable word: consumers filter and alert on it, so a member
is never renamed and never gets another meaning.

Not here: the reasons for Twilio's error codes. They are data, the column ``reason`` of
``processors/policies/twilio_codes.csv``; that is why the records' fields are plain strings.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class ExplainedEnum(StrEnum):
    """An enum of words. Each member carries its explanation beside it, for the documents.

    Attributes:
        means: What the word says.
        do: What an operator, or whoever published the record, does about it.
    """

    _value_: str
    means: str
    do: str

    def __new__(cls, value: str, means: str, do: str = "nothing") -> Self:
        """The member for ``value``."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.means = means
        member.do = do
        return member


class OwnStatus(ExplainedEnum):
    """``StatusChanged.status`` where smsflow, not Twilio, gives the status."""

    WAITING = (
        "waiting",
        "the message waits inside smsflow; `reason` says for what and `until` how long, where that is known",
    )
    NO_FINAL_STATUS = (
        "no_final_status",
        "Twilio accepted the message and reported no final status within 48 hours",
        "nothing: some carriers send no receipt. The message is never sent again and never replayed",
    )
    REPLAY_REFUSED = (
        "replay_refused",
        "a replay asked for the message again and did not get it; `reason` says why",
        "see [replay](replay.md)",
    )


class WaitReason(ExplainedEnum):
    """``StatusChanged.reason`` of the status ``waiting``: why a message waits."""

    SEND_AT = ("send_at", "not before the request's `send_at`")
    BACK_OFF = (
        "back_off",
        "an attempt certainly did not become a message, for a passing reason; the next attempt follows",
        "nothing; if many messages wait, look at the reasons on `sms-attempts`",
    )
    OUTCOME_UNKNOWN = (
        "outcome_unknown",
        "Twilio's answer was lost; callbacks and Twilio's list decide, for up to 30 minutes",
        "nothing; many at once mean that Twilio or the network is in trouble",
    )
    LOOK_UP = ("look_up", "only in the message's state, never published: a search of Twilio's list is under way")


class FailureReason(ExplainedEnum):
    """``Failed.reason`` where no error code of Twilio's is the cause: why a message ended without delivery."""

    OPTED_OUT = (
        "opted_out",
        "the person said STOP, here or at Twilio (21610, a toll-free 30004)",
        "stop asking; only a START permits messages again. Never replayed",
    )
    EXPIRED = (
        "expired",
        "not sent by its deadline, or a one-time password whose outcome stayed unknown",
        "if many: too few senders or workers, or too short deadlines. Replayable unless the outcome was unknown",
    )
    OUTCOME_UNKNOWN = (
        "outcome_unknown",
        "the answer was lost and Twilio's list does not show the message: it may have been sent",
        "a person decides; a new request under a new id may be a second text. Never replayed",
    )
    CANCELED = ("canceled", "a scheduled message was cancelled at Twilio")
    UNKNOWN_SENDER = (
        "unknown_sender",
        "sender, Messaging Service or pool is not configured",
        "configure it, restart the workers, replay",
    )
    AMBIGUOUS_SENDER = (
        "ambiguous_sender",
        "more than one of `sender`, `messaging_service` and `sender_pool`",
        "upstream: give one",
    )
    SHORTEN_URLS_NEEDS_SERVICE = (
        "shorten_urls_needs_service",
        "`shorten_urls` without a Messaging Service",
        "upstream: send through one",
    )
    NOT_E164 = (
        "not_e164",
        "the number is not written as +, country, number; the detail says how to write it",
        "upstream: fix the number",
    )
    IMPOSSIBLE_NUMBER = (
        "impossible_number",
        "no number of this country has this length, or there is no such country",
        "upstream: fix the number",
    )
    PREMIUM_NUMBER = (
        "premium_number",
        "a premium-rate or shared-cost number",
        "upstream: give the person's own number",
    )
    EMPTY_MESSAGE = ("empty_message", "neither text, template nor media, or only white space", "upstream: give one")
    TWO_CONTENTS = ("two_contents", "both `body` and `content_sid`", "upstream: give one")
    BODY_TOO_LONG = ("body_too_long", "more than 1,600 characters", "upstream: shorten the text")
    VARIABLES_WITHOUT_CONTENT = (
        "variables_without_content",
        "`content_variables` without `content_sid`",
        "upstream: name the template",
    )
    TOO_MANY_MEDIA = ("too_many_media", "more than 10 media URLs", "upstream: give fewer")
    BAD_VALIDITY = ("bad_validity", "`validity_s` outside 1 to 36,000", "upstream: fix it")
    DEADLINE_BEFORE_SEND_AT = (
        "deadline_before_send_at",
        "the deadline is not after `send_at`",
        "upstream: fix one of them",
    )
    UNKNOWN_TIME_ZONE = ("unknown_time_zone", "`time_zone` is no IANA name", "upstream: fix it")


class AttemptReason(ExplainedEnum):
    """``AttemptResult.reason``: why an attempt was not made, or why its outcome is not known."""

    RATE_LIMITED = (
        "rate_limited",
        "not sent: HTTP 429; the sender's rate is halved",
        "lower `worker.concurrency` if it lasts",
    )
    TWILIO_UNREACHABLE = (
        "twilio_unreachable",
        "not sent: no connection to Twilio",
        "check network, DNS and proxy",
    )
    CONNECT_TIMEOUT = (
        "connect_timeout",
        "not sent: no connection within 3 s, or none of `twilio.connections` free",
        "check network, DNS and proxy; or make fewer calls at once",
    )
    CONNECTION_LOST = ("connection_lost", "not sent if the request had not been written, else unknown")
    EXPIRED = (
        "expired",
        "not sent: the deadline passed in the sender's queue; ends the message",
        "see the failure `expired`",
    )
    OPTED_OUT = ("opted_out", "not sent: the sender stage knows a revocation; ends the message")
    INTENT_EXPIRED = (
        "intent_expired",
        "not sent: the worker came too late to the call its intent permitted (10 s)",
        "look for a paused or overloaded worker",
    )
    PARTITION_LOST = (
        "partition_lost",
        "unknown: another worker may have owned the partition at that moment",
        "nothing; if often, look for rebalances and long pauses",
    )
    REVOCATIONS_STALE = (
        "revocations_stale",
        "not sent: the copy of `sms-revocations` was older than 10 s",
        "check the broker; nobody is called until the copy is fresh",
    )
    CALLED_BEFORE = (
        "called_before",
        "unknown: the command was read again and its attempt has an intent already",
        "nothing; a crash or a rebalance did that",
    )
    TIMEOUT = (
        "timeout",
        "unknown: written, and not answered within `twilio.timeout_s`, or HTTP 408",
        "nothing; if many, Twilio is slow",
    )
    SERVER_ERROR = (
        "server_error",
        "unknown: HTTP 5xx; Twilio may have executed the request",
        "nothing; if many, see Twilio's status page",
    )
    UNREADABLE_ANSWER = (
        "unreadable_answer",
        "unknown: a 2xx without a readable SID",
        "look for a proxy in between",
    )
    REDIRECTED = (
        "redirected",
        "unknown: HTTP 3xx; redirects are not followed",
        "fix `twilio.base_url`",
    )
    REFUSED_BY_TWILIO = (
        "refused_by_twilio",
        "rejected: HTTP 4xx; `code` and `detail` are Twilio's",
        "see the table of codes",
    )
    CLIENT_ERROR = (
        "client_error",
        "a fault in smsflow or in Twilio's SDK; unknown if the request was written",
        "read the worker's log and report it",
    )
    LIST_UNAVAILABLE = (
        "list_unavailable",
        "a look-up could not read Twilio's list; it is repeated after a minute",
        "check credentials and network",
    )
    NOT_IN_LIST = ("not_in_list", "a look-up read the list, and the message is not in it")
    AMBIGUOUS = ("ambiguous", "a look-up found several messages that may be it; it is repeated after a minute")
    RESEND_IF_UNKNOWN = (
        "resend_if_unknown",
        "only in the message's state: not found in Twilio's list, and the request permits the second attempt",
    )


class DeadLetterReason(ExplainedEnum):
    """``DeadLetter.reason``: why a record could not be handled."""

    EMPTY = ("empty", "the record has no value", "upstream: publish no tombstones on this topic")
    NOT_AVRO = (
        "not_avro",
        "no zero byte and schema id at its start",
        "upstream: use the Confluent wire format",
    )
    UNKNOWN_SCHEMA_ID = (
        "unknown_schema_id",
        "the id is neither in `ids.json` nor at the registry",
        "check that both sides use the same registry",
    )
    WRONG_RECORD = ("wrong_record", "a known schema, but another record's", "upstream: wrong topic")
    UNDECODABLE = ("undecodable", "the body does not fit its schema", "upstream: a broken encoder")
    TRAILING_BYTES = ("trailing_bytes", "bytes are left after the record", "upstream: a broken encoder")
    TOO_LARGE = ("too_large", "more than 512 KiB", "upstream: publish smaller records")
    BAD_MESSAGE_ID = ("bad_message_id", "not 1 to 200 visible ASCII characters", "upstream: choose another id")
    BAD_NUMBER = (
        "bad_number",
        "`to` is empty, unprintable or over 100 characters",
        "upstream: fix the number",
    )
    BAD_PERSON = (
        "bad_person",
        "the person's number contains a NUL, or begins as Faust's own keys do",
        "upstream: fix the number",
    )
    CONFLICTING_MESSAGE_ID = (
        "conflicting_message_id",
        "the id was used before, for another content",
        "upstream: one id per message. The first one stands",
    )
    UNKNOWN_MESSAGE = (
        "unknown_message",
        "a callback or an attempt's result for a message that is not (or no longer) known",
        "nothing if it is older than the message window; else look for lost state",
    )
    MISROUTED = (
        "misrouted",
        "moved to its person's partition, and found in the wrong one again",
        "check that every topic has the same number of partitions",
    )
    UNREADABLE_STATE = (
        "unreadable_state",
        "the person's saved state cannot be decoded",
        "report it; put the person's records back with a replay after the fix",
    )
    MALFORMED_WEBHOOK = (
        "malformed_webhook",
        "Twilio signed it, and no record can be made of it; `value` is its body",
        "report it; the message itself is settled by Twilio's list",
    )
    HANDLER_ERROR = (
        "handler_error",
        "a fault in smsflow; `detail` names the place",
        "report it; put the record back with a replay after the fix",
    )
    UNSTORABLE = (
        "unstorable",
        "a value ClickHouse cannot store",
        "report it; the event itself is on its topic",
    )
