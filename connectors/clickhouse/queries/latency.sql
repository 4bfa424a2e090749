-- From the request to the call to Twilio, in milliseconds; a planned wait (send_at, quiet hours) counts too.
SELECT
    count() AS messages,
    quantileExactIf(0.5)(wait_ms, isNotNull(wait_ms)) AS p50_ms,
    quantileExactIf(0.99)(wait_ms, isNotNull(wait_ms)) AS p99_ms
FROM
(
    SELECT toUnixTimestamp64Milli(called_at) - toUnixTimestamp64Milli(requested_at) AS wait_ms
    FROM messages
    WHERE isNotNull(called_at) AND requested_at >= {since:DateTime64(3, 'UTC')}
)
