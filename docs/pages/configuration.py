"""docs/configuration.md: every setting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pages.tools import NOTE, Undocumented, page, table

from processors.settings.model import Settings
from processors.settings.sources import variable

INTRODUCTION = """
Settings come from a TOML file (`smsflow --config FILE …`, or `SMSFLOW_CONFIG`) and from the environment, which wins. A
group is a table in the file and part of the variable's name: `[twilio]` `account_sid`, `SMSFLOW_TWILIO_ACCOUNT_SID`.
Lists take commas in a variable; `SMSFLOW_SENDERS` and `SMSFLOW_POOLS` take JSON. An empty variable is an unset one. An
unknown name is an error, never ignored, and every problem is named at once.

`smsflow up` and `smsflow demo` replace what is not given: an embedded Kafka and ClickHouse, the Twilio simulator and
its senders, 4 partitions, replication 1, shorter sessions.

A Kafka behind TLS, behind a password or both is entered by the group `[kafka]`, by every client alike: workers,
ingester, sink and commands. Not settable: Kerberos (`GSSAPI`) and `OAUTHBEARER`.
"""
SENDERS = """
### Senders and pools

Without `senders` every message fails as `unknown_sender`. In the file:

```toml
[[senders]]
id = "+12025550100"        # E.164, a short code, an alphanumeric id, or a Messaging Service (MG…)
number_type = "10dlc"      # 10dlc, toll_free, short_code, long_code, alphanumeric
tier = "75-100"            # the row of processors/policies/sender_types.csv; for 10dlc the trust score
campaign = "CXXXXXX"       # senders of one campaign share its rate in equal parts

[[senders]]
id = "+18335550100"
number_type = "toll_free"
mps = 25                   # segments a second, in place of the table's

[pools]
default = ["+12025550100"]
support = ["+18335550100"]
```

In a variable: `SMSFLOW_SENDERS='[{"id": "+12025550100", "number_type": "10dlc"}]'`. A request that names neither
sender, Messaging Service nor pool takes the pool `default`; without `pools` that pool has every sender. Inside a pool
a person always gets the same sender. A sender's `mps` is a ceiling: see [operations](operations.md#limits).

### Rules and waits

Prices, words, limits, error codes and waits are data under [`processors/policies/`](../processors/policies), each row
with its source. They are read at start; a mistake in one is an error that names file, row and field.
"""


def configuration_page() -> str:
    """Every setting."""
    groups: dict[str, list[list[str]]] = {}
    for path, field in _settings(Settings, ()):
        name = ".".join(path)
        if not field.description:
            raise Undocumented(f"{name} has no description in processors/settings")
        row = [f"`{name}`", f"`{variable(path)}`", _shown(field), field.description]
        groups.setdefault(path[0] if len(path) > 1 else "", []).append(row)
    head = ("setting", "variable", "default", "meaning")
    tables = [
        f"### {'Everything' if not group else f'`[{group}]`'}\n\n{table(head, rows)}" for group, rows in groups.items()
    ]
    return page(NOTE.format(source="processors/settings/"), "# Configuration", INTRODUCTION, *tables, SENDERS)


def _settings(model: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, field in model.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            yield from _settings(field.annotation, (*path, name))
        else:
            yield (*path, name), field


def _shown(field: Any) -> str:
    value = field.default
    if value is None or value in ("", (), {}):
        return "none"
    return f"`{value}`".replace("True", "true").replace("False", "false")
