"""Picking events from the catalogue: a box for each event, by group, and one for a whole group as a pattern."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from django import forms

from subscriptions.event_types import ALVA_PRESELECTED, titles
from subscriptions.models import EventType

OPERATIONAL: Final = ("webhook.*", "delivery.*")
"""Groups of events that tell of the webhooks themselves, not of the shop."""
OPERATIONAL_TITLE: Final = "About your webhooks themselves: failures, pauses, events in review"


@dataclass(frozen=True)
class Box:
    """One event on offer."""

    name: str
    about: str
    aliases: tuple[str, ...] = ()


@dataclass
class Shelf:
    """A group of the catalogue; `pattern` subscribes to all of it, future events included."""

    title: str
    pattern: str
    boxes: list[Box]


def shelves() -> list[Shelf]:
    """Return the offered events by group, in the catalogue's order."""
    found: dict[str, Shelf] = {}
    for entry in EventType.objects.filter(is_active=True).order_by("group", "name"):
        stem = re.split(r"[.-]", entry.name)[0]
        pattern = stem + entry.name[len(stem) : len(stem) + 1] + "*" if len(stem) < len(entry.name) else ""
        title = stem.replace("_", " ").capitalize() + (", as Shopery names them" if pattern == "orders-*" else "")
        shelf = found.setdefault(pattern or entry.group, Shelf(title, pattern, []))
        shelf.boxes.append(Box(entry.name, entry.description, tuple(entry.aliases)))
    return list(found.values())


def sections() -> list[tuple[str, list[Shelf]]]:
    """Return the shelves in two sections, each with its title: what happens in a shop, then what is of us."""
    found = shelves()
    ours = [shelf for shelf in found if shelf.pattern in OPERATIONAL]
    return [("", [shelf for shelf in found if shelf not in ours]), *([(OPERATIONAL_TITLE, ours)] * bool(ours))]


class EventPicker(forms.SelectMultiple):
    """Boxes by group. What is chosen but not in the catalogue is left to the text box beside it."""

    template_name = "subscriptions/event_picker.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Add the shelves and what is chosen."""
        context = super().get_context(name, value, attrs)
        context["widget"] |= {
            "sections": sections(),
            "chosen": set(value or []),
            "preselected": ",".join(ALVA_PRESELECTED),
            "sources": titles(),
        }
        return context


class EventsField(forms.Field):
    """A list of event names and patterns; the service says whether each makes sense."""

    widget = EventPicker

    def to_python(self, value: Any) -> list[str]:
        """Return the chosen names, each once."""
        return list(dict.fromkeys(value or []))


def on_offer() -> set[str]:
    """Return every name and group pattern that has a box."""
    found = shelves()
    return {box.name for shelf in found for box in shelf.boxes} | {shelf.pattern for shelf in found} | {"*"}
