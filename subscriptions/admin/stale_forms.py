"""Forms that were opened before somebody else's change: they show what changed meanwhile, and undo nothing unasked.

A change form carries a digest of each value that it was opened with. Posted, a field whose stored value is another now
stops it: the page shows both values, and saving once more is a decision.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from django import forms

FIELD: Final = "_opened_with"
"""The hidden field's name."""
SHOWN_MAX: Final = 300
"""Characters of a value that the comparison shows."""


@dataclass(frozen=True, slots=True)
class Change:
    """A field that somebody else changed meanwhile: as it is stored now, and as this form would have it."""

    label: str
    now: str
    yours: str


class StaleCheck(forms.ModelForm):  # type: ignore[type-arg]
    """Mixed into a change form; the row must be locked until the form's transaction ends."""

    changed_meanwhile: list[Change]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.changed_meanwhile = []
        self.opened_with = json.dumps({name: _digest(self[name].initial) for name in self._checked()})

    def _checked(self) -> list[str]:
        return [name for name, field in self.fields.items() if not field.disabled]

    def _post_clean(self) -> None:
        self._compare()
        if self.changed_meanwhile:
            self.add_error(None, "Somebody changed this after you opened the page. Compare, then save once more.")
        else:
            super()._post_clean()  # type: ignore[misc]

    def _compare(self) -> None:
        opened = _read(self.data.get(FIELD))
        for name in self._checked():
            bound = self[name]
            if name in opened and opened[name] != _digest(bound.initial):
                self.changed_meanwhile.append(Change(str(bound.label), _text(bound.initial), _text(bound.value())))


def _read(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _digest(value: Any) -> str:
    return hashlib.sha256(_text(value, None).encode(errors="surrogatepass")).hexdigest()[:16]


def _text(value: Any, limit: int | None = SHOWN_MAX) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))[:limit]
    return ("" if value is None else str(value))[:limit]
