"""Looks for text in payloads as people see it: one rule for the admin's search boxes, the API and bulk requests.

The case of letters doesn't matter in a payload's text or in a URL (as far as the database's locale knows letters). Ids
are compared as they are written.
"""

from __future__ import annotations

import re
import unicodedata
from json.encoder import encode_basestring
from typing import Final

from django.db.models import Q

_STRINGS: Final = re.compile(r'("(?:[^"\\]|\\.)*(?:"|$))', re.DOTALL)
"""Splits JSON into what stands outside its strings and, at odd places, the strings; the last may lack its end."""
_BETWEEN: Final = re.compile(r"[\s{}\[\],:0-9.+\-truefalsn]*", re.IGNORECASE)
_LAID_OUT: Final = re.compile(r"(?<=[{\[,:])\s+|\s+(?=[}\]])|^\s+(?=[{\[\"])")


def in_payload(term: str, column: str = "data") -> Q:
    """Return the condition that a column of canonical JSON holds what people see as `term`."""
    condition = Q()
    for form in forms(term):
        condition |= Q(**{f"{column}__icontains": form})
    return condition


def forms(term: str) -> list[str]:
    """Return the texts of which a payload's JSON holds one, where a person would say that it holds `term`.

    A value's text (its quotes, backslashes and line breaks are escaped in JSON), the JSON itself as the page shows it,
    and a piece of JSON copied from there with its white space, which what is stored hasn't got. Each with its accents
    composed and apart, which look the same.
    """
    found: dict[str, None] = {}
    for text in (term, unicodedata.normalize("NFC", term), unicodedata.normalize("NFD", term)):
        found |= dict.fromkeys((text, encode_basestring(text)[1:-1]))
        if '"' in text:
            found |= dict.fromkeys((_compact(text), _compact('"' + text)[1:]))
    return list(filter(None, found))


def _compact(text: str) -> str:
    """Return a piece of JSON as it is stored: without white space between its strings. Empty where it is no JSON."""
    parts = _STRINGS.split(text)
    if not all(_BETWEEN.fullmatch(part) for part in parts[::2]):
        return ""
    parts[::2] = [_LAID_OUT.sub("", part) for part in parts[::2]]
    return "".join(parts)
