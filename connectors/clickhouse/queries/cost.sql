-- Cost by one column of `costs`: {by} is one of a fixed list (reports.py), {since:...} the first moment of sending.
-- messages: what Twilio accepted; unpriced: of these, how many have no bill in this currency yet.
SELECT
    {by},
    currency,
    count() AS messages,
    countIf(NOT priced) AS unpriced,
    sum(segments) AS segments,
    sum(estimated) AS estimated,
    sum(billed) AS billed
FROM costs
WHERE sent_at >= {since:DateTime64(3, 'UTC')}
GROUP BY {by}, currency
ORDER BY {by}, currency
