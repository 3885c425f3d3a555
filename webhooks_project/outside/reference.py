"""The API's reference as one page, made from the OpenAPI document: no script, and nothing from another host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from subscriptions.conf import settings
from webhooks_project.outside.kept import Kept, answer, kept, once
from webhooks_project.outside.openapi import document
from webhooks_project.outside.pages import framed, html

_OBJECTS: Final = "#/components/schemas/"
_BOUNDS: Final = (
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minimum", "at least {}"),
    ("maximum", "at most {}"),
    ("minItems", "at least {} entries"),
    ("maxItems", "at most {} entries"),
    ("default", "{} if left out"),
)


@dataclass(frozen=True, slots=True)
class Member:
    """A parameter of an operation, or a member of an object.

    Attributes:
        kind: Its type as HTML, with links to the objects it is made of.
        notes: What else holds of it: whether it is required, its bounds.
    """

    name: str
    kind: SafeString
    notes: tuple[str, ...]
    description: SafeString


@dataclass(frozen=True, slots=True)
class Answer:
    """What a status means: its object and example where it is a success, its sentence where it is an error."""

    status: str
    description: SafeString
    kind: SafeString
    example: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address, ready for the page."""

    id: str
    method: str
    path: str
    title: str
    description: SafeString
    parameters: tuple[Member, ...]
    body: SafeString
    command: str
    answers: tuple[Answer, ...]
    errors: tuple[Answer, ...]


@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    """Return the page. Anybody may read it, as the document it is made from."""
    return framed(answer(request, _page(), "text/html; charset=utf-8"))


@once
def _page() -> Kept:
    return kept(html(reverse("docs"), "reference", _content()).encode())


def _content() -> dict[str, Any]:
    whole = document()
    groups: dict[str, list[Operation]] = {}
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(path, method, operation))
    schemas = whole["components"]["schemas"]
    objects = [(name, _marked(shape.get("description", "")), _members(shape)) for name, shape in schemas.items()]
    return {
        "title": whole["info"]["title"],
        "about": whole["info"]["description"],
        "groups": [(_heading(name), name, found) for name, found in sorted(groups.items())],
        "objects": sorted((name, about, members) for name, about, members in objects if members),
        "base": settings.WEBHOOKS_BASE_URL.rstrip("/"),
    }


def _heading(tag: str) -> str:
    """Return a group's name as a heading."""
    return tag.replace("-", " ").capitalize().replace("Api ", "API ").replace(" ips", " IPs")


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Operation:
    body = _json_of(operation.get("requestBody", {}))
    answers = [_answer(status, found) for status, found in operation["responses"].items()]
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        title=operation["summary"],
        description=_marked(operation["description"]),
        parameters=tuple(
            _member(f"{each['name']} ({each['in']})", each["schema"], each.get("description", ""), each.get("required"))
            for each in operation.get("parameters", ())
        ),
        body=_kind(body["schema"]) if body else SafeString(""),
        command=_command(path, method, operation, _example(body)),
        answers=tuple(answer for answer in answers if answer.status < "400"),
        errors=tuple(answer for answer in answers if answer.status >= "400"),
    )


def _answer(status: str, found: Mapping[str, Any]) -> Answer:
    content = _json_of(found)
    kind = _kind(content["schema"]) if content else SafeString("")
    return Answer(status, _marked(found.get("description", "")), kind, _example(content))


def _json_of(part: Mapping[str, Any]) -> Mapping[str, Any]:
    return part.get("content", {}).get("application/json", {})


def _example(content: Mapping[str, Any]) -> str:
    for example in content.get("examples", {}).values():
        return json.dumps(example["value"], indent=2, ensure_ascii=False, default=str)
    return ""


def _command(path: str, method: str, operation: Mapping[str, Any], example: str) -> str:
    """Return how curl asks for it."""
    lines = [f'curl -X {method.upper()} "{settings.WEBHOOKS_BASE_URL.rstrip("/")}{path}"']
    if operation.get("security"):
        lines.append('-H "Authorization: Bearer $API_KEY"')
    if example:
        quoted = example.replace("'", "'\\''")
        lines += ['-H "Content-Type: application/json"', f"-d '{quoted}'"]
    return " \\\n  ".join(lines)


def _members(shape: Mapping[str, Any]) -> list[Member]:
    required = shape.get("required", ())
    properties = shape.get("properties", {})
    return [_member(name, each, each.get("description", ""), name in required) for name, each in properties.items()]


def _member(name: str, schema: Mapping[str, Any], about: str, required: Any) -> Member:
    notes = ["required"] if required else []
    inner = schema.get("items", schema)
    notes += [words.format(json.dumps(schema[key])) for key, words in _BOUNDS if schema.get(key) not in (None, "")]
    if "enum" in inner:
        notes.append("one of " + ", ".join("null" if each is None else str(each) or "“”" for each in inner["enum"]))
    return Member(name, _kind(schema), tuple(notes), _marked(about))


def _kind(schema: Mapping[str, Any]) -> SafeString:
    """Return a schema's type in words, as HTML."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_OBJECTS)
        return format_html('<a href="#object-{}">{}</a>', name, name)
    for union in ("anyOf", "oneOf", "allOf"):
        if found := schema.get(union):
            return _joined({_kind(each): None for each in found})
    types = schema.get("type", "any value")
    if isinstance(types, list):
        return _joined({_kind({**schema, "type": each}): None for each in types})
    if types == "array":
        return format_html("list of {}", _kind(schema.get("items") or {}))
    if types == "object" and schema.get("properties"):
        inner = ", ".join(f"{name}: {_kind(each)}" for name, each in schema["properties"].items())
        return mark_safe(f"object with {inner}")  # noqa: S308 - names are ours, kinds are HTML already
    return format_html("{}", f"{types} ({schema['format']})" if "format" in schema else types)


def _joined(parts: Mapping[SafeString, None]) -> SafeString:
    return mark_safe(" or ".join(parts))  # noqa: S308 - each is HTML already


def _marked(text: str) -> SafeString:
    """Return a docstring's paragraphs and `code` as HTML."""
    return mark_safe("".join(f"<p>{part}</p>" for part in _paragraphs(text)))  # noqa: S308 - escaped there


def _paragraphs(text: str) -> Iterator[str]:
    for part in text.split("\n\n"):
        pieces = escape(" ".join(part.split())).split("`")
        if any(pieces):
            yield "".join(f"<code>{each}</code>" if index % 2 else each for index, each in enumerate(pieces))
