"""The shipped data is usable, and a mistake in any of it is named with its place."""

import csv
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from processors.core.inbound.meaning import Meaning
from processors.core.policy import ClassPolicy
from processors.core.sms.retry_policy import CodeAction, Retry
from processors.policies import tables
from processors.policies.load import load
from processors.policies.rows import PolicyError, shipped_policy
from schemas.enums import Lane, MessageClass

POLICY = load()
SERVICE = "MG" + "0" * 32
TABLES = ("twilio_codes.csv", "rate_card.csv", "sender_types.csv", "keywords.csv")


def number(last: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"+121255501{last:02d}", "number_type": "10dlc", **fields}


@pytest.mark.parametrize("file", TABLES)
def test_every_row_names_its_source(file: str) -> None:
    rows = list(csv.DictReader(shipped_policy(file).splitlines()))
    assert len(rows) > 5
    assert all(row["source"].strip() for row in rows)


@pytest.mark.parametrize(
    ("code", "retry", "action", "reason"),
    [
        (20429, Retry.LATER, "slow_down", "too_many_requests"),
        (20500, Retry.UNKNOWN, "none", "server_error"),
        (21610, Retry.NEVER, "opt_out", "opted_out"),
        (30630, Retry.NEVER, "opt_out", "opted_out"),
        (30004, Retry.NEVER, "opt_out_if_toll_free", "blocked"),
        (21608, Retry.AFTER_FIX, "none", "recipient_not_verified"),
        (21660, Retry.AFTER_FIX, "none", "sender_of_other_account"),
        (30103, Retry.AFTER_FIX, "none", "link_shortening"),
        (30104, Retry.AFTER_FIX, "none", "link_shortening"),
        (20999, Retry.AFTER_FIX, "none", "api_error"),
        (21999, Retry.NEVER, "none", "refused"),
        (30999, Retry.NEVER, "none", "delivery_failed"),
        (599, Retry.UNKNOWN, "none", "server_error"),
        (7, Retry.NEVER, "none", "unknown_code"),
        (-1, Retry.NEVER, "none", "unknown_code"),
    ],
)
def test_codes_mean_what_the_table_says_and_ranges_have_defaults(
    code: int, retry: Retry, action: str, reason: str
) -> None:
    row = POLICY.codes.find(code)
    assert (row.retry, row.action, row.reason) == (retry, action, reason)


def test_classes_have_lane_deadline_and_an_end_for_doubt() -> None:
    assert POLICY.classes[MessageClass.OTP] == ClassPolicy(Lane.URGENT, timedelta(minutes=10), "expire", False)
    assert {name: row.lane for name, row in POLICY.classes.items() if name is not MessageClass.OTP} == {
        MessageClass.TRANSACTIONAL: Lane.NORMAL,
        MessageClass.CONVERSATION: Lane.NORMAL,
        MessageClass.MARKETING: Lane.BULK,
    }
    assert [name for name, row in POLICY.classes.items() if row.resend_after_acceptance] == ["transactional"]


def test_the_words_of_twilio_and_of_the_fcc_are_there() -> None:
    words = ("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out", "arret", "stopp")
    assert {POLICY.keywords[word] for word in words} == {Meaning.STOP}


@pytest.mark.parametrize("number_type", ["10dlc", "toll_free", "short_code", "long_code"])
def test_a_segment_to_the_united_states_costs_the_same_from_every_type(number_type: str) -> None:
    rate = POLICY.rates.find("US", number_type, "sms", "outbound", date(2026, 11, 23))
    assert rate.each == Decimal("0.0128")


@pytest.mark.parametrize(
    ("sender", "kind", "mps"),
    [
        (number(0), "number", 12),
        (number(0, tier="75-100"), "number", 225),
        (number(0, tier="sole_proprietor", mps=2), "number", 2),
        (number(0, mps="2.5"), "number", 2.5),
        ({"id": SERVICE, "number_type": "short_code"}, "service", 100),
        ({"id": "+18005550100", "number_type": "toll_free"}, "number", 3),
        ({"id": "+16135550100", "number_type": "long_code"}, "number", 1),
        ({"id": "+447700900100", "number_type": "long_code"}, "number", 10),
        ({"id": "72975", "number_type": "short_code"}, "number", 100),
        ({"id": "ACME Shop", "number_type": "alphanumeric"}, "number", 10),
    ],
)
def test_a_sender_has_the_rate_of_its_type_tier_and_country_or_its_own(
    sender: dict[str, Any], kind: str, mps: float
) -> None:
    found = load([sender]).senders[sender["id"]]
    assert (found.kind, found.mps) == (kind, mps)


def test_senders_of_one_campaign_share_its_rate() -> None:
    policy = load([number(0, campaign="c"), number(1, campaign="c"), number(2)])
    assert [sender.mps for sender in policy.senders.values()] == [6, 6, 12]


def test_pools_are_taken_as_given() -> None:
    policy = load([number(0), number(1)], {"a": ["+12125550100"], "b": ["+12125550101"]}, "b")
    assert policy.sender_for("+12125550150").id == "+12125550101"
    assert policy.sender_for("+12125550150", "a").id == "+12125550100"


@pytest.mark.parametrize(
    ("senders", "pools", "problem"),
    [
        ([number(0), {"number_type": "10dlc"}], None, r"senders\[1\], id: missing"),
        ([{"id": "+1212", "number_type": "10dlc"}], None, r"senders\[0\], id: \+1212: too short for US"),
        ([{"id": "MGxyz?", "number_type": "10dlc"}], None, r"senders\[0\], id: 'MGxyz\?' is no E.164 number"),
        ([number(0), number(0)], None, r"senders\[1\], id: \+12125550100 stands there twice"),
        ([number(0, number_type="fax")], None, r"senders\[0\], number_type: 'fax' is not one of 10dlc, "),
        ([number(0, tier="gold")], None, r"senders\[0\], tier: 'gold' is not one of"),
        ([number(0, mps="fast")], None, r"senders\[0\], mps: 'fast'"),
        ([number(0, mps="-1")], None, r"senders\[0\], mps: '-1': input should be greater than 0"),
        ([number(0, mps="nan")], None, r"senders\[0\], mps: 'nan': input should be a finite number"),
        ([number(0, colour="red")], None, r"senders\[0\], colour: unknown, expected some of campaign, id"),
        ([number(0)], {"default": ["+12125550101"]}, r"pools\['default'\]: '\+12125550101' is not a configured"),
        ([number(0)], {"default": []}, r"pools\['default'\]: has no sender"),
        ([number(0)], {"other": ["+12125550100"]}, "default_pool: 'default' is not one of other"),
    ],
)
def test_a_mistake_in_senders_or_pools_is_named(
    senders: list[dict[str, Any]], pools: dict[str, list[str]] | None, problem: str
) -> None:
    with pytest.raises(PolicyError, match=problem):
        load(senders, pools)


CODE = "21610,opted out,N,,,opt_out,opted_out,https://example.org\n"
OTHER = "*,other,N,,,none,unknown_code,own\n"
CODES_HEADER = "code,meaning,retry,resend,tries,action,reason,source\n"
RATE = "*,*,sms,outbound,0.1,0,USD,,,own\n*,*,mms,outbound,0.1,0,USD,,,own\n"
RATES_HEADER = "country,number_type,kind,direction,base,carrier_fee,currency,from,until,source\n"
WORDS_HEADER = "words,meaning,language,since,source\n"
CLASSES, TIMING = shipped_policy("classes.toml"), shipped_policy("timing.toml")


@pytest.mark.parametrize(
    ("read", "text", "problem"),
    [
        (tables.codes, "code,retry\n", "twilio_codes.csv row 1: columns are"),
        (tables.codes, CODES_HEADER + CODE, r"twilio_codes.csv: no row for any other code \(\*\)"),
        (tables.codes, CODES_HEADER + CODE + CODE + OTHER, "twilio_codes.csv row 3, code: 21610 stands there twice"),
        (tables.codes, CODES_HEADER + CODE.replace("N", "X"), "twilio_codes.csv row 2, retry: 'X'"),
        (tables.codes, CODES_HEADER + CODE.replace("N,,", "N,yes,"), "row 2, resend: 'yes': yes, but retry is N"),
        (
            tables.codes,
            CODES_HEADER + CODE.replace("opt_out,", "panic,"),
            "row 2, action: 'panic': input should be 'opt_out', ",
        ),
        (tables.codes, CODES_HEADER + CODE.replace("opted_out", "Opted out"), "row 2, reason: .* snake_case"),
        (tables.codes, CODES_HEADER + CODE.replace("https://example.org", " "), "row 2, source: .*empty"),
        (tables.codes, CODES_HEADER + CODE.replace("21610", "9-1"), "row 2, code: .*from low to high"),
        (tables.codes, CODES_HEADER + "21610,x\n", "twilio_codes.csv row 2: not 8 fields"),
        (tables.codes, CODES_HEADER + CODE.replace("opt_out,", "alert,"), "row 2, action: 'alert'"),
        (tables.codes, CODES_HEADER + CODE.replace("N,,,", "N,,0,"), "row 2, tries: 0: input should be greater"),
        (tables.rates, RATES_HEADER + RATE.replace("USD,,", "USD,1764028800,"), "row 2, from: '1764028800'"),
        (tables.rates, RATES_HEADER, r"rate_card.csv: no outbound sms row for any country"),
        (
            tables.rates,
            RATES_HEADER + RATE.replace("0.1", "-1"),
            "rate_card.csv row 2, base: '-1': input should be greater than or equal to 0",
        ),
        (
            tables.rates,
            RATES_HEADER + RATE.replace("0.1", "NaN"),
            "rate_card.csv row 2, base: 'NaN': input should be a finite number",
        ),
        (tables.rates, RATES_HEADER + RATE.replace("USD", "usd"), "row 2, currency: 'usd': not an ISO 4217"),
        (tables.rates, RATES_HEADER + RATE.replace("USD,,", "USD,today,"), "row 2, from: 'today'"),
        (tables.rates, RATES_HEADER + RATE + RATE, r"rate_card.csv: \*/\*/.* overlap"),
        (tables.sender_types, "type,tier,destination,mps,source\nx,,us,1,own\n", "row 2, destination"),
        (tables.keywords, WORDS_HEADER + "STOP!,stop,en,,own\n", "row 2, words: 'STOP!': never matches.*'stop'"),
        (tables.keywords, WORDS_HEADER + "stop,stop,en,,own\nstop,help,en,,own\n", "row 3, words: 'stop' stands"),
        (tables.keywords, WORDS_HEADER + "stop,halt,en,,own\n", "keywords.csv row 2, meaning: 'halt'"),
        (tables.classes, CLASSES.replace("[otp]", "[codes]"), "classes.toml: sections are"),
        (tables.classes, CLASSES.replace('"10m"', '"soon"'), r"classes.toml \[otp\], deadline: 'soon': a duration is"),
        (
            tables.classes,
            CLASSES.replace('"expire"', '"resend"'),
            r"\[otp\], on_unknown: 'resend': input should be 'expire' or 'park'",
        ),
        (tables.classes, "x = 1", "classes.toml: x stands outside a section"),
        (tables.classes, "[otp", "classes.toml: "),
        (tables.timing, TIMING.replace("settle_by", "settle"), r"timing.toml \[timing\], settle_by: missing"),
        (tables.timing, TIMING.replace('"15s"', '"15"'), r"timing.toml \[timing\], look_ups: '15': a duration is"),
        (tables.timing, "[retries]\n[timing]\n", r"timing.toml \[retries\], first: missing"),
    ],
)
def test_a_mistake_in_the_data_is_named_with_file_row_and_field(
    read: Callable[[str], object], text: str, problem: str
) -> None:
    with pytest.raises(PolicyError, match=problem):
        read(text)


def test_every_mistake_in_a_table_is_named_at_once() -> None:
    text = CODES_HEADER + CODE.replace("N", "X") + CODE.replace("opted_out", "Opted out").replace("opt_out,", "panic,")
    with pytest.raises(PolicyError) as caught:
        tables.codes(text)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "twilio_codes.csv row 2, retry",
        "twilio_codes.csv row 3, action",
        "twilio_codes.csv row 3, reason",
    ]


def test_every_action_of_a_code_is_used_by_one() -> None:
    """An action that no row has is one that nobody has tried."""
    rows = [*POLICY.codes.single.values(), *(row for _, _, row in POLICY.codes.ranges)]
    assert {row.action for row in rows} == set(CodeAction)
