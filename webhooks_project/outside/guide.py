"""The guide for merchants and their developers: the documents of the repository as pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from webhooks_project.outside.pages import page

PARTS: Final = {
    "merchants": "For merchants",
    "receivers": "Receiving webhooks",
    "publishing": "Publishing events",
    "api": "The API",
    "events": "Event catalogue",
    "destinations": "Queues and feeds",
    "endpoint-sign-in": "Signing in at your endpoint",
    "transformations": "Messages of your own",
    "limits": "Limits",
    "glossary": "Glossary",
}
"""The documents that are pages here, in the order of the contents, with their names there."""
_LINK: Final = re.compile(r"^(?P<name>[\w-]+)\.md(?P<anchor>#.*)?$")


@require_safe
def guide(request: HttpRequest, name: str = "merchants") -> HttpResponse:
    """Return a part of the guide. Raises Http404 for what is no part, or where the documents aren't installed."""
    if name not in PARTS:
        raise Http404
    content = {"title": PARTS[name], "parts": PARTS.items(), "shown": name, "text": _text(name)}
    return page(request, "guide", content)


@lru_cache(maxsize=len(PARTS))
def _text(name: str) -> SafeString:
    file = settings.BASE_DIR / "docs" / f"{name}.md"
    if not file.is_file():
        raise Http404
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(file.read_text("utf-8"))
    _name_headings(tokens)
    _lead_here(tokens)
    _for_readers(tokens)
    return mark_safe(reader.renderer.render(tokens, reader.options, {}))  # noqa: S308 - our text, HTML in it escaped


def _for_readers(tokens: Sequence[Token]) -> None:
    """Let the keyboard scroll what is wide, and no heading of a table be empty; styles are the style sheet's."""
    for token in tokens:
        if token.type in {"fence", "code_block"}:
            token.attrSet("tabindex", "0")
        token.attrs.pop("style", None)
    for opening, words, closing in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if opening.type == "th_open" and not words.content:
            opening.tag = closing.tag = "td"


def _name_headings(tokens: Sequence[Token]) -> None:
    """Give each heading the id that links to it use."""
    for heading, words in pairwise(tokens):
        if heading.type == "heading_open":
            text = "".join(child.content for child in words.children or ())
            heading.attrSet("id", re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-"))


def _lead_here(tokens: Sequence[Token]) -> None:
    """Let links to other parts lead to their pages; links to the repository's other files become plain text."""
    for token in tokens:
        inside = token.children or []
        for link, words in [pair for pair in pairwise(inside) if pair[0].type == "link_open"]:
            address = str(link.attrGet("href"))
            if address.startswith(("#", "https://", "http://", "mailto:")):
                continue
            found = _LINK.match(address)
            if found and found["name"] in PARTS:
                link.attrSet("href", reverse("guide", args=[found["name"]]) + (found["anchor"] or ""))
                if _LINK.match(words.content):  # a file's name says nothing to who reads a page
                    words.content = PARTS[found["name"]]
            else:
                link.attrs = {}
