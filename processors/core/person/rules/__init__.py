"""The rules that every attempt must pass, and their order: the first objection wins.

The rules are asked at intake, when a wait is over, before a retry and after a replay, so that no message slips through
by waiting. To add a rule, write a function of type ``Rule`` in a file of this folder and put it into ``RULES``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from processors.core.person.decision import PersonState
from processors.core.person.rules.deadline import check_deadline
from processors.core.person.rules.opted_out import check_opted_out
from processors.core.person.rules.send_at import check_send_at
from processors.core.person.rules.verdicts import Hold, Refuse
from processors.core.policy import Policy
from schemas.states import MessageState

Rule = Callable[[MessageState, PersonState, Policy, datetime], Refuse | Hold | None]
"""A rule: (message, person, policy, now) to an objection, or None where the rule has none."""

RULES: tuple[Rule, ...] = (check_opted_out, check_deadline, check_send_at)
"""All rules, in the order in which they are asked."""


def first_objection(message: MessageState, person: PersonState, policy: Policy, now: datetime) -> Refuse | Hold | None:
    """The objection of the first rule that has one to sending this message now, or None."""
    for rule in RULES:
        objection = rule(message, person, policy, now)
        if objection is not None:
            return objection
    return None
