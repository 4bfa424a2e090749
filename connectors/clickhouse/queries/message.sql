-- Every event of one message, in the order things happened; within a millisecond in the order they must have.
SELECT
    occurred_at, kind, status, reason, detail, attempt, sid, person, sender, tenant, campaign, country, segments,
    amount, currency, error_code, final, suppressed, replayable, until, requested_at, called_at, event_id
FROM events
WHERE message_id = {message_id:String}
ORDER BY occurred_at, attempt, indexOf(['sent', 'status', 'failed', 'price'], toString(kind)), final, event_id
