-- Every public event as it was said, one row per event. Bodies of messages are in no event; `person` and `detail` may
-- be personal data (docs/cost.md).
--
-- Transport is at least once: until parts are merged the log may hold an event several times. Query the view `events`.
CREATE TABLE IF NOT EXISTS event_log
(
    event_id String,
    kind LowCardinality(String) COMMENT 'sent, status, failed, price',
    message_id String,
    attempt UInt32,
    sid String,
    person String COMMENT 'E.164: personal data',
    country LowCardinality(String),
    sender LowCardinality(String),
    number_type LowCardinality(String),
    tenant LowCardinality(String),
    campaign LowCardinality(String) COMMENT 'empty: none',
    program LowCardinality(String),
    message_class LowCardinality(String),
    encoding LowCardinality(String),
    segments UInt32 COMMENT 'sent: our count; price: Twilio''s, 0 unknown',
    status LowCardinality(String),
    final Bool,
    reason LowCardinality(String),
    detail String,
    error_code Nullable(UInt32),
    suppressed Bool,
    replayable Bool,
    amount Decimal(18, 6) COMMENT 'sent: estimated; price: billed so far',
    currency LowCardinality(String) COMMENT 'ISO 4217, of amount',
    tags Map(String, String),
    requested_at Nullable(DateTime64(3, 'UTC')),
    called_at Nullable(DateTime64(3, 'UTC')),
    until Nullable(DateTime64(3, 'UTC')),
    occurred_at DateTime64(3, 'UTC'),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(occurred_at)
ORDER BY (message_id, kind, event_id)
-- The sink commits its offsets after the insert: what it was told is stored must survive a power cut too.
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW events AS SELECT * FROM event_log FINAL;
