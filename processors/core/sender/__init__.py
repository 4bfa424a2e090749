"""The sender stage's decisions, pure: whether an attempt may be made, which attempt goes next, and how fast.

==============  ====================================================================
decide          at most once: what a send command means, and the last check
dispatch_queue  the attempts of one partition that wait for their senders' limits
fair_queue      order at one sender: lanes, then fair turns of tenants
token_bucket    the limit of one sender: segments per second, and how it adapts
==============  ====================================================================
"""
