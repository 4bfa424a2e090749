-- Every message that has an event, by where it stands now; open: no end known (yet).
SELECT
    multiIf(delivered, 'delivered', suppressed, 'suppressed', failed, 'failed', 'open') AS outcome,
    if(outcome IN ('suppressed', 'failed'), reason, '') AS why,
    count() AS messages,
    countIf(accepted > 0) AS sent,
    sum(segments) AS segments
FROM messages
WHERE coalesce(requested_at, first_known_at) >= {since:DateTime64(3, 'UTC')}
GROUP BY outcome, why
ORDER BY outcome, why
