"""The decisions, pure: input, state, policy and time go in, values come out.

=========  ===================================================================================================
person     the person stage: intake, rules, consent, the life of each message, and what it publishes
sender     the sender stage: at most one call per attempt, each sender's limit, priorities and fair shares
inbound    what a person's text means, and what is answered
sms        facts about SMS: phone numbers, segments, encodings, prices, retries
policy     what decisions may look up: law, carriers, prices, this installation's senders
replay     failed messages and dead letters: what a replay would do with each
=========  ===================================================================================================

No clock, no random number, no network and no file: time and policy are arguments, so that a decision can be repeated
and explained.
"""
