"""The decisions, pure: (event, state, policy, now) in, values out. In the order a message meets it:

=============  ==========================================================================================
person         the person stage's one door: what a record means for one person, and what follows from it
decision       what the person stage is given and what it answers: values only
intake         new, duplicate or conflicting message_id
numbers        E.164, region, line type, possible time zones
segments       encoding, units, segments, what smart encoding saves
look_alikes    characters that smart encoding replaces
rules          the rules in order; the first objection wins
consent        rule: scopes, STOP, history
messages       one message's life: attempt n+1 only when n is settled
settlement     what settles an unknown attempt
statuses       merge of statuses; order and repetition don't matter
replies        what an inbound text means, and by which words
retries        code, class, deadline: when again, or never
schedule       what waits, what is due
sender         the sender stage's one door
lanes          urgent, normal, bulk; fair shares inside
throttle       one bucket per sender, in segments, and how it adapts
attempts       at most once: intent, answer, what a restart finds
cost           estimates: exact decimals with their currency
replay         failed records: what would happen to each, and what goes back through the intake
events         public events and their ids
policy         frozen values the rules look things up in
=============  ==========================================================================================

No clock, no chance, no network, no file: time and policy are arguments, so a decision can be repeated and explained.
"""
