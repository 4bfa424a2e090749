-- One row per message Twilio accepted (message, SID) and currency: what we estimated and what Twilio billed so far.
-- Estimate and bill are in one row where their currencies agree and in two rows where not, so a sum grouped by currency
-- is always a sum of one currency. `day` and `sent_at` are the sending's, UTC, even of a bill that came a week later.
CREATE OR REPLACE VIEW costs AS
SELECT
    message_id,
    sid,
    tenant,
    campaign,
    program,
    message_class,
    country,
    sender,
    number_type,
    at AS sent_at,
    toDate(at, 'UTC') AS day,
    currency,
    if(currency = estimated_in, own_segments, 0) AS segments,
    if(currency = billed_in, twilio_segments, 0) AS billed_segments,
    if(currency = estimated_in, own_estimate, toDecimal64(0, 6)) AS estimated,
    if(currency = billed_in, bill, toDecimal64(0, 6)) AS billed,
    currency = billed_in AS priced
FROM
(
    SELECT
        message_id,
        sid,
        max(facts.tenant) AS tenant,
        argMax(facts.campaign, (facts.campaign != '', kind)) AS campaign,
        max(facts.program) AS program,
        max(facts.message_class) AS message_class,
        argMax(facts.country, (facts.country != '', kind)) AS country,
        argMax(facts.sender, (facts.sender != '', kind)) AS sender,
        max(facts.number_type) AS number_type,
        argMax(facts.at, kind) AS at,
        maxIf(facts.segments, kind = 'sent') AS own_segments,
        maxIf(facts.segments, kind = 'price') AS twilio_segments,
        maxIf(amount, kind = 'sent') AS own_estimate,
        maxIf(facts.currency, kind = 'sent') AS estimated_in,
        maxIf(amount, kind = 'price') AS bill,
        maxIf(facts.currency, kind = 'price') AS billed_in
    FROM facts FINAL
    WHERE kind IN ('sent', 'price')
    GROUP BY message_id, sid
)
ARRAY JOIN arrayDistinct(arrayFilter(code -> code != '', [toString(estimated_in), toString(billed_in)])) AS currency;
