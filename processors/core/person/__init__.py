"""The person stage's decisions, in the order in which a message meets them.

=============  ========================================================================================
decide         the only entrance: what one input means for one person
decision       the values that go in and come out: ``PersonState``, ``WakeUp``, ``Decision``
intake         a send request, parsed once or refused
rules          what every attempt must pass, in order: opt-out, deadline, ``send_at``
transitions    the steps that a message's life is made of: dispatch, wait, fail, accepted
lifecycle      the next state after a request, an answer, a status or a wake-up
failures       after a failed attempt: the next attempt, or the end
settlement     what settles an attempt whose outcome is unknown
ambiguity      two attempts that one row of Twilio's list fits
statuses       merge of Twilio's statuses: order and repetition make no difference
list_entries   status and price from Twilio's list
replays        a replay asks for a message again
consent        scopes, history, revocations
opt_outs       inbound texts, consent changes, opt-outs that only Twilio reports
changes        from a new state to a decision: what to save, what to publish
outbox         which records a state publishes
events         the public events
commands       the commands to the sender stage
attempt_ids    the id of an attempt
=============  ========================================================================================

A step that follows from an input is named ``apply_`` and the input, a question ``is_`` or ``has_``.
"""
