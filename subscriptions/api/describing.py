"""Describes each operation for the OpenAPI document, beside its view: what it takes, what it answers, an example."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from django_filters import FilterSet, filters  # type: ignore[import-untyped]
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers

from subscriptions.api.formats import SAYS_SOMETHING
from subscriptions.api.pagination import CURSOR, PAGE_DEFAULT, PAGE_MAX
from subscriptions.api.serializers import ApiSerializer, example_of

F = TypeVar("F", bound=Callable[..., Any])
Shape = type[ApiSerializer]


def describe(
    summary: str,
    *,
    answer: Shape | None,
    codes: Sequence[int] = (200,),
    body: Shape | None = None,
    pages: bool = False,
    filterset: type[FilterSet] | None = None,
    etag: bool = False,
    parameters: Sequence[OpenApiParameter] = (),
    sent: Mapping[str, Any] | None = None,
    shown: Mapping[str, Any] | None = None,
    following: str | None = None,
) -> Callable[[F], F]:
    """Describe an operation. Its id is the summary in snake_case; its text is the view method's docstring.

    Args:
        summary: A few words.
        answer: What a success answers; None for nothing. Errors are added by ApiSchema.
        codes: The statuses of a success.
        body: What the request's body holds.
        pages: True for lists in cursor pages; `answer` is then a row.
        filterset: The query parameters that select.
        etag: True for changes that heed If-Match.
        parameters: Any others; one of the same name takes the place of those.
        sent: The example of the body, where it isn't the serializer's own.
        shown: Members of the answer's example (or of a page's row) that aren't as in the serializer's own.
        following: The address of the next page in the example of a list.
    """
    operation = summary.lower().replace(" ", "_").replace("-", "_").replace("'", "")
    found = [*(_filter_parameters(filterset) if filterset else []), *(_PAGE_PARAMETERS if pages else []), *parameters]
    if etag:
        found.append(OpenApiParameter("If-Match", str, "header", description="The ETag read before: else 412."))
    examples = []
    if body is not None:
        example = example_of(body, request=True) if sent is None else dict(sent)
        examples.append(OpenApiExample(summary, example, request_only=True))
    if answer is not None:
        example = example_of(answer) | dict(shown or {})
        if pages:
            example = {"next": following, "previous": None, "results": [example]}
        examples.append(
            OpenApiExample(summary, example, response_only=True, status_codes=[str(code) for code in codes])
        )
    decorate = extend_schema(
        operation_id=operation,
        summary=summary,
        request=body,
        responses={code: page_of(answer) if pages and answer else answer for code in codes},
        parameters=found,
        examples=examples,
    )

    def apply(method: F) -> F:
        method.answer = answer  # type: ignore[attr-defined]
        method.pages = pages  # type: ignore[attr-defined]
        return decorate(method)

    return apply


def field_names(answer: Shape) -> list[str]:
    """Return the members that the query parameter `fields` may choose of an answer, or of a page's rows."""
    return [name for name, field in answer().get_fields().items() if not field.write_only]


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


def page_of(row: Shape) -> Shape:
    """Return the serializer of a page of rows."""
    name = row.__name__.removesuffix("Serializer")
    members = {
        "next": serializers.CharField(allow_null=True, help_text="The address of the next page; null on the last."),
        "previous": serializers.CharField(allow_null=True, help_text="That of the page before; null on the first."),
        "results": row(many=True),
    }
    return type(f"{name}PageSerializer", (ApiSerializer,), {"__doc__": "A page of a list.", **members})


def members_of(filterset: type[FilterSet]) -> dict[str, Any]:
    """Return the members by which a request's body selects: the filters of a list, each of them optional."""
    found: dict[str, Any] = {}
    for name, one in filterset.base_filters.items():
        options: dict[str, Any] = {"required": False, "help_text": str(one.extra.get("help_text", ""))}
        if isinstance(one, filters.IsoDateTimeFilter):
            found[name] = serializers.DateTimeField(**options)
        elif hasattr(one, "words"):
            found[name] = serializers.ListField(
                child=serializers.ChoiceField(choices=list(one.words)), min_length=1, **options
            )
        elif hasattr(one, "one_of"):
            found[name] = serializers.ChoiceField(choices=list(one.one_of), **options)
        elif hasattr(one, "pattern"):
            found[name] = serializers.RegexField(one.pattern, **options)
        else:
            found[name] = serializers.RegexField(SAYS_SOMETHING, **options)
    return found


def _filter_parameters(filterset: type[FilterSet]) -> list[OpenApiParameter]:
    found = []
    for name, one in filterset.base_filters.items():
        schema: dict[str, Any] = {"type": "string", "pattern": getattr(one, "pattern", SAYS_SOMETHING)}
        if isinstance(one, filters.IsoDateTimeFilter):
            schema = {"type": "string", "format": "date-time"}
        elif isinstance(one, filters.BooleanFilter):
            schema = {"type": "boolean"}
        elif hasattr(one, "one_of"):
            schema = {"type": "string", "enum": list(one.one_of)}
        words = getattr(one, "words", None)
        if words:  # one or several, separated by commas
            schema = {"type": "array", "minItems": 1, "items": {"type": "string", "enum": list(words)}}
        text = str(one.extra.get("help_text", ""))
        found.append(
            OpenApiParameter(
                name, schema, description=text, style="form" if words else None, explode=False if words else None
            )
        )
    return found
