-- The latest that is known, at most one row per message, SID and kind of fact; `version` says what "latest" is.
-- It is a maximum over a total order, so events may arrive twice, late and in any order: the row that stays is the same.
--
-- version = success, attempt, rank of the status, time in ms, hash of the event's id; compared in this order. Statuses
-- and failures stand once per message (sid ''), so a later attempt beats an earlier one, and a delivery beats them all.
-- The ranks are those of Twilio's life of a message, and a failure of ours stands below all of them: it may have been
-- concluded before Twilio's word on that attempt arrived.
-- https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
-- A refused replay says nothing about where the message stands: kind 'note', of no message status.
CREATE TABLE IF NOT EXISTS facts
(
    message_id String,
    sid String,
    kind LowCardinality(String),
    version UInt128,
    attempt UInt32,
    person String,
    country LowCardinality(String),
    sender LowCardinality(String),
    number_type LowCardinality(String),
    tenant LowCardinality(String),
    campaign LowCardinality(String),
    program LowCardinality(String),
    message_class LowCardinality(String),
    encoding LowCardinality(String),
    segments UInt32,
    status LowCardinality(String),
    reason LowCardinality(String),
    detail String,
    error_code Nullable(UInt32),
    replayable Bool,
    amount Decimal(18, 6),
    currency LowCardinality(String),
    requested_at Nullable(DateTime64(3, 'UTC')),
    called_at Nullable(DateTime64(3, 'UTC')),
    until Nullable(DateTime64(3, 'UTC')),
    at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (message_id, kind, sid)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS facts_of_events TO facts AS
WITH
    multiIf(log.kind = 'price', 0,
            log.kind = 'failed', 1,
            log.kind = 'sent', 2,
            transform(toString(log.status),
                      ['accepted', 'scheduled', 'queued', 'sending', 'sent', 'partially_delivered',
                       'no_final_status', 'canceled', 'failed', 'undelivered', 'delivered', 'read'],
                      [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], 0)) AS rank,
    (toUInt128(rank >= 12) * 65536 + if(log.kind = 'price', 0, least(log.attempt, 65535))) * 16 + rank AS standing
SELECT
    message_id,
    if(log.kind IN ('sent', 'price'), log.sid, '') AS sid,
    if(log.status = 'replay_refused', 'note', toString(log.kind)) AS kind,
    (standing * 281474976710656 + toUnixTimestamp64Milli(occurred_at)) * 281474976710656
        + cityHash64(event_id) % 281474976710656 AS version,
    attempt,
    person,
    country,
    sender,
    number_type,
    tenant,
    campaign,
    program,
    message_class,
    encoding,
    segments,
    multiIf(log.kind = 'sent', 'accepted',
            log.kind = 'failed', if(suppressed, 'suppressed', 'failed'),
            toString(log.status)) AS status,
    reason,
    detail,
    error_code,
    replayable,
    amount,
    currency,
    requested_at,
    called_at,
    until,
    occurred_at AS at
FROM event_log AS log;
