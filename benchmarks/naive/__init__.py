"""The usual way beside ours: a Celery task that retries whatever goes wrong, and smsflow, on one schedule of faults.

    python -m benchmarks.naive --messages 400 --seed 1

Both get the same requests at the same pace, the same STOPs, a simulator of the same seed that loses answers in the same
way (`tests/crash/tuning.py`, LOSSES), and their workers are killed -9 when the simulator has accepted the same numbers
of messages. The simulator's ledger counts.
"""
