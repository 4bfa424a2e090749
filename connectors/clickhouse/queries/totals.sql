-- Cost per currency of the same messages `summary.sql` counts.
SELECT currency, sum(estimated) AS estimated, sum(billed) AS billed
FROM costs
WHERE message_id IN
(
    SELECT message_id FROM messages
    WHERE coalesce(requested_at, first_known_at) >= {since:DateTime64(3, 'UTC')}
)
GROUP BY currency
ORDER BY currency
