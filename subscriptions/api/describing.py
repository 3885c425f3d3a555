"""What each operation takes and answers, told once beside its view."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from django_filters import filters as django_filters  # type: ignore[import-untyped]
from django_filters.rest_framework import FilterSet  # type: ignore[import-untyped]
from drf_spectacular.plumbing import force_instance
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers

from subscriptions.api.examples import example_of
from subscriptions.api.formats import NO_NUL
from subscriptions.api.pagination import CURSOR, PAGE_DEFAULT, PAGE_MAX

F = TypeVar("F", bound=Callable[..., Any])


def describe(
    summary: str,
    *,
    responses: Mapping[int, Any],
    request: Any = None,
    required: Sequence[str] | None = None,
    pages: bool = False,
    filters: type[FilterSet] | None = None,
    etag: bool = False,
    parameters: Sequence[OpenApiParameter] = (),
) -> Callable[[F], F]:
    """Describe an operation. Its id is the summary in snake_case.

    Args:
        summary: A few words.
        responses: Status → serializer of a success; errors are added by ApiSchema.
        request: A serializer of the body; `required` names the members that can't be left out.
        required: See `request`; without it the serializer's own word holds.
        pages: True for lists in cursor pages.
        filters: The query parameters that select.
        etag: True for changes that heed If-Match.
        parameters: Any others.
    """
    operation = summary.lower().replace(" ", "_").replace("-", "_").replace("'", "")
    found = [*parameters, *(_filter_parameters(filters) if filters else [])]
    if pages:
        responses = {code: page_of(serializer) for code, serializer in responses.items()}
        found += _PAGE_PARAMETERS
    if request is not None and required is not None:
        request = body_of(cast("Hashable", type(request)), tuple(required))
    if etag:
        found.append(OpenApiParameter("If-Match", str, "header", description="The ETag read before: else 412."))
    decorate = extend_schema(
        operation_id=operation,
        summary=summary,
        request=request,
        responses=dict(responses),
        parameters=found,
        examples=_examples(operation, summary, [str(code) for code in responses]),
    )

    def apply(method: F) -> F:
        method.answers = responses.get(200)  # type: ignore[attr-defined]
        return decorate(method)

    return apply


def _examples(operation: str, summary: str, codes: list[str]) -> list[OpenApiExample]:
    sent, answered = example_of(operation, "request"), example_of(operation, "response")
    found = [] if sent is None else [OpenApiExample(summary, sent, request_only=True)]
    return (
        found
        if answered is None
        else [*found, OpenApiExample(summary, answered, response_only=True, status_codes=codes)]
    )


def field_names(answer: Any) -> list[str]:
    """Return the names of the fields of an answer's serializer; for pages, those of a row."""
    fields = force_instance(answer).get_fields()
    return list(fields["results"].child.get_fields() if "results" in fields else fields)


_PAGE_PARAMETERS = [
    OpenApiParameter(
        "cursor", {"type": "string", "pattern": CURSOR}, description="From `next` or `previous` of another page."
    ),
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT},
        description="Rows a page.",
    ),
]


def page_of(row: Any) -> type[serializers.Serializer[Any]]:
    """Return the serializer of a page of `row` (a serializer with many=True)."""
    link = serializers.CharField(allow_null=True)
    return type(
        f"{type(row.child).__name__.removesuffix('Document')}Page",
        (serializers.Serializer,),
        {"next": link, "previous": copy.deepcopy(link), "results": row},
    )


_NULL_IS_EMPTY = frozenset({"name", "secret", "headers", "filter", "fields", "ordering", "body_style", "api_version"})
"""Settings of a webhook that may be sent as null, which means empty, or the usual."""


@cache
def body_of(document: Any, required: tuple[str, ...]) -> Any:
    """Return the serializer of a body with the document's fields, of which only `required` must be given."""
    fields = {}
    for name, field in document().get_fields().items():
        twin = copy.deepcopy(field)
        # Fields copy themselves from the arguments they were made with.
        twin._kwargs = {
            **twin._kwargs,
            "required": name in required,
            "allow_null": field.allow_null or name in _NULL_IS_EMPTY,
        }
        fields[name] = twin
    name = f"{document.__name__}{'Body' if required else 'Patch'}"
    return type(name, (serializers.Serializer,), {"__doc__": document.__doc__, **fields})


def _filter_parameters(filterset: type[FilterSet]) -> list[OpenApiParameter]:
    found = []
    for name, one in filterset.base_filters.items():
        schema: dict[str, Any] = {"type": "string", "pattern": getattr(one, "pattern", NO_NUL)}
        if isinstance(one, django_filters.IsoDateTimeFilter):
            schema = {"type": "string", "format": "date-time"}
        elif isinstance(one, django_filters.BooleanFilter):
            schema = {"type": "boolean"}
        words = getattr(one, "words", None)
        if words:  # one or several, separated by commas
            schema = {"type": "array", "items": {"type": "string", "enum": list(words)}}
        text = str(one.extra.get("help_text", ""))
        found.append(
            OpenApiParameter(
                name, schema, description=text, style="form" if words else None, explode=False if words else None
            )
        )
    return found
