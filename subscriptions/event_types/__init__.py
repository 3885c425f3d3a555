"""The event catalogue that ships with the product: every event of the four documents it does the work of, and our own.

One JSON file a document, in the document's order; `load()` reads the four, `load_operations()` our own news about
webhooks and deliveries. An entry carries a JSON Schema of the
event's `data` and an example: the document's own where it prints one, else one in its style. `python -m
subscriptions.event_types` prints the reference kept in docs/events.md. Needs no Django.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from subscriptions.event_types.documents import CatalogueError, Document, parse_document
from subscriptions.options import CATALOGUES

SOURCES = CATALOGUES

OPERATIONS = "operations"
"""The source of our own events, which tell a shop's programs how its webhooks fare."""

ALVA_PRESELECTED = (
    "order.created",
    "order.paid",
    "order.approved",
    "order.rejected",
    "download.created",
    "download.accessed",
)
"""What the form for the alva dialect ticks at first: the events with a ☑ in Alva's list of available events."""

__all__ = [
    "ALVA_PRESELECTED",
    "OPERATIONS",
    "SOURCES",
    "CatalogueEntry",
    "CatalogueError",
    "load",
    "load_operations",
    "operations_title",
    "read",
    "titles",
]


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One event type. Read only: whoever loads the catalogue shares its `aliases` and `schema`."""

    name: str
    group: str
    source: str
    """The document it comes from: one of SOURCES, or OPERATIONS."""
    description: str
    """One sentence, plain text."""
    aliases: list[str]
    """Other spellings of the name that subscriptions and publishers may use."""
    schema: dict[str, Any]
    """JSON Schema, draft 2020-12, of the event's `data`; self-contained, open to additional properties."""
    example: str
    """An example of `data` as canonical JSON text: what Node's JSON.stringify writes."""
    example_event: str
    """The whole body the document prints, as canonical JSON text; empty where it prints none."""


def load() -> list[CatalogueEntry]:
    """Return the four documents' events, document by document, each in its order. Read from disk once a process.

    Raises CatalogueError, naming file, event and fix, when a file is malformed or two entries claim one name or alias.
    """
    return [entry for entry in _catalogue() if entry.source != OPERATIONS]


def load_operations() -> list[CatalogueEntry]:
    """Return our own events, which only the product publishes; otherwise like `load()`."""
    return [entry for entry in _catalogue() if entry.source == OPERATIONS]


def titles() -> dict[str, str]:
    """Return each source's title in words, in the order of SOURCES: `{"alva": "Alva Digital Downloads", …}`."""
    return {document.source: document.title for document in _documents() if document.source != OPERATIONS}


def operations_title() -> str:
    """Return the title of our own events."""
    return next(document.title for document in _documents() if document.source == OPERATIONS)


def read(paths: Iterable[str]) -> list[CatalogueEntry]:
    """Return the event types of a project's own files, which have the form of ours. Raises CatalogueError, OSError."""
    files = [Path(path) for path in paths]
    return list(build(tuple(parse_document(file.stem, file.read_text("utf-8")) for file in files)))


@cache
def _documents() -> tuple[Document, ...]:
    folder = Path(__file__).resolve().parent
    return tuple(
        parse_document(source, (folder / f"{source}.json").read_text("utf-8")) for source in (*SOURCES, OPERATIONS)
    )


@cache
def _catalogue() -> tuple[CatalogueEntry, ...]:
    return build(_documents())


def build(documents: tuple[Document, ...]) -> tuple[CatalogueEntry, ...]:
    """Return the entries of parsed documents. Raises CatalogueError where one name or alias is claimed twice."""
    entries: list[CatalogueEntry] = []
    claimed: dict[str, str] = {}
    for document in documents:
        for event in document.events:
            for name in (event["name"], *event.get("aliases", ())):
                if name in claimed:
                    raise CatalogueError(
                        f"{document.source}.json, {event['name']}: the name {name} is taken in {claimed[name]}.json. "
                        "Keep one of them."
                    )
                claimed[name] = document.source
            entries.append(_entry(document.source, event))
    return tuple(entries)


def _entry(source: str, event: dict[str, Any]) -> CatalogueEntry:
    whole = event.get("example_event")
    return CatalogueEntry(
        name=event["name"],
        group=event["group"],
        source=source,
        description=event["description"],
        aliases=list(event.get("aliases", ())),
        schema=event["schema"],
        example=_canonical(event["example"] if whole is None else whole["data"]),
        example_event="" if whole is None else _canonical(whole),
    )


def _canonical(value: Any) -> str:
    # Not the publisher's canonical JSON, which stands above this app. The files hold only numbers that Python and
    # JavaScript write alike (`parse_document` sees to it), so the text is the same; a test asks Node.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
