"""Writes the catalogue as the Markdown reference of docs/events.md."""

from __future__ import annotations

import json
from itertools import groupby

from subscriptions.event_types import ALVA_PRESELECTED, CatalogueEntry, load, load_operations, operations_title, titles

_INTRODUCTION = """\
# Events

<!-- Written by `python -m subscriptions.event_types > docs/events.md` from subscriptions/event_types/*.json. -->

Every event the product knows from the start, by the document it comes from. A webhook of any dialect may subscribe
to any of them: by exact name (`order.created`), by a prefix that ends at a `.` or `-` (`order.*`, `orders-*`), or
with `*` to all.

An example shows the whole body where the source document prints one; otherwise it shows the event's `data`, and the
webhook's dialect puts its envelope around it. Bodies are sent compact and with numbers as JavaScript writes them
(`25.50` is sent as `25.5`). Each event type also carries a JSON Schema (draft 2020-12) of its `data`; `GET
/api/v1/event-types` gives it out. Receivers must accept properties they don't know.
"""

_OPERATIONS = """\
These tell a shop's programs how its own webhooks fare. A webhook subscribes to them by name or prefix (`webhook.*`);
`*` alone means every event of the shop, not these. They are published when there is a subscriber, and never about
deliveries of these events themselves.
"""


def render() -> str:
    """Return the reference as Markdown, ending with a newline: a table and the examples of each document."""
    parts = [_INTRODUCTION]
    names = titles()
    for source, entries in groupby(load(), key=lambda entry: entry.source):
        of_document = list(entries)
        parts += [f"## {names[source]}\n", _table(of_document), *(_section(entry) for entry in of_document)]
    ours = load_operations()
    parts += [f"## {operations_title()}\n", _OPERATIONS, _table(ours), *(_section(entry) for entry in ours)]
    return "\n".join(parts)


def _table(entries: list[CatalogueEntry]) -> str:
    rows = [f"| [`{entry.name}`](#{_anchor(entry.name)}) | {entry.group} | {_remarks(entry)} |\n" for entry in entries]
    return "| event | group | sent when |\n|---|---|---|\n" + "".join(rows)


def _remarks(entry: CatalogueEntry) -> str:
    remarks = [entry.description]
    if entry.aliases:
        remarks.append(f"Also known as {', '.join(f'`{alias}`' for alias in entry.aliases)}.")
    if entry.name in ALVA_PRESELECTED:
        remarks.append("Selected at first in the form for the alva dialect.")
    return " ".join(remarks)


def _section(entry: CatalogueEntry) -> str:
    shown, what = (entry.example_event, "body") if entry.example_event else (entry.example, "data")
    example = json.dumps(json.loads(shown), ensure_ascii=False, indent=2)
    return f"### {entry.name}\n\n{entry.description} Example of the {what}:\n\n```json\n{example}\n```\n"


def _anchor(name: str) -> str:
    # GitHub's rule for headings: lower case, and every character but letters, digits, - and _ is dropped.
    return name.lower().replace(".", "")
