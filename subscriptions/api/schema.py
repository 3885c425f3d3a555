"""The OpenAPI document: what each operation takes and answers, told once beside its view."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django_filters import filters as django_filters  # type: ignore[import-untyped]
from django_filters.rest_framework import FilterSet  # type: ignore[import-untyped]
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers

from subscriptions.api import idempotency
from subscriptions.api.examples import example_of
from subscriptions.api.pagination import PAGE_DEFAULT, PAGE_MAX
from subscriptions.api.permissions import scope_of

if TYPE_CHECKING:
    from subscriptions.api.base import ApiView

F = TypeVar("F", bound=Callable[..., Any])

_ERROR = {
    "type": "object",
    "required": ["type", "errors"],
    "properties": {
        "type": {"type": "string", "enum": ["validation_error", "client_error", "server_error"]},
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["code", "detail", "attr"],
                "properties": {
                    "code": {"type": "string", "description": "For programs."},
                    "detail": {"type": "string", "description": "For people: what is wrong and how to mend it."},
                    "attr": {
                        "type": ["string", "null"],
                        "description": "The field or parameter, such as events.3.data.",
                    },
                },
            },
        },
    },
}
_MEANINGS = {
    "400": "Not JSON, or a query parameter that makes no sense.",
    "401": "No valid credential.",
    "403": "The credential lacks the scope that is named.",
    "404": "Not there, or somebody else's.",
    "405": "Not a method of this address.",
    "406": "Only application/json is answered.",
    "409": "Contradicts the present state, or an Idempotency-Key of another request.",
    "411": "Bodies in chunks aren't taken.",
    "412": "Changed since you read it.",
    "413": "Too large for one request.",
    "415": "Only application/json is read.",
    "422": "Well-formed, but can't be done as asked; `attr` names the field.",
    "429": "Too many requests; Retry-After says when the next may pass.",
}


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
    return extend_schema(
        operation_id=operation,
        summary=summary,
        request=request,
        responses=dict(responses),
        parameters=found,
        examples=[
            OpenApiExample(
                f"{summary}{suffix}",
                value=value,
                request_only=kind == "request",
                response_only=kind != "request",
                status_codes=None if kind == "request" else [str(code) for code in responses],
            )
            for kind, suffix in (("request", ""), ("response", ""))
            if (value := example_of(operation, kind)) is not None
        ],
    )


_PAGE_PARAMETERS = [
    OpenApiParameter("cursor", str, description="From `next` or `previous` of another page."),
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


@cache
def body_of(document: Any, required: tuple[str, ...]) -> Any:
    """Return the serializer of a body with the document's fields, of which only `required` must be given."""
    fields = {}
    for name, field in document().get_fields().items():
        twin = copy.deepcopy(field)
        # Fields copy themselves from the arguments they were made with.
        twin._kwargs = {**twin._kwargs, "required": name in required}
        fields[name] = twin
    name = f"{document.__name__}{'Body' if required else 'Patch'}"
    return type(name, (serializers.Serializer,), {"__doc__": document.__doc__, **fields})


def _filter_parameters(filterset: type[FilterSet]) -> list[OpenApiParameter]:
    found = []
    for name, one in filterset.base_filters.items():
        schema: dict[str, Any] = {"type": "string"}
        if isinstance(one, django_filters.IsoDateTimeFilter):
            schema["format"] = "date-time"
        elif isinstance(one, django_filters.BooleanFilter):
            schema = {"type": "boolean"}
        schema |= getattr(one, "openapi", {})
        found.append(OpenApiParameter(name, schema, description=str(one.extra.get("help_text", ""))))
    return found


class ApiSchema(AutoSchema):
    """Adds what every operation has: errors of one shape, the headers it heeds, the scope it needs."""

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False  # pages are serializers of their own

    def get_tags(self) -> list[str]:
        """Group by the first word of the address."""
        words = [word for word in self.path.removeprefix("/api/v1").split("/") if word]
        return [words[0]]

    def get_override_parameters(self) -> list[Any]:
        """Add the parameters that all operations of a method share."""
        found = list(super().get_override_parameters())
        if self.method == "POST" and hasattr(self.view, "sends"):
            found.append(
                OpenApiParameter(
                    "Idempotency-Key",
                    {"type": "string", "maxLength": 255, "pattern": "^[!-~]{1,255}$"},
                    "header",
                    description=f"Sent again with the same key and body, the request is carried out once; "
                    f"kept {idempotency.KEPT_FOR.total_seconds() / 3600:g} h.",
                )
            )
        if self.method == "GET" and hasattr(self.view, "sends"):
            found.append(OpenApiParameter("fields", str, description="Only these fields, separated by commas."))
        return found

    def get_description(self) -> str:  # type: ignore[override]
        """Name the scope."""
        text = super().get_description()
        return (
            f"{text}\n\nScope: `{scope_of(cast('ApiView', self.view), self.method)}`."
            if hasattr(self.view, "scopes")
            else text
        )

    def _get_request_body(self, direction: Any = "request") -> Any:
        body = super()._get_request_body(direction)
        if body and self.get_request_serializer() is not None:
            body["required"] = True
        return body

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        found = super()._get_response_bodies(direction)
        for code in self._errors():
            found[code] = {
                "description": _MEANINGS[code],
                "content": {"application/json": {"schema": self._error_component()}},
            }
        return dict(sorted(found.items()))

    def _errors(self) -> list[str]:
        codes = ["400", "401", "403", "405", "406", "429"]
        if "{" in self.path:
            codes.append("404")
        if self.method in {"POST", "PUT", "PATCH"}:
            codes += ["409", "411", "413", "415", "422"]
        if self.method in {"PUT", "PATCH", "DELETE"}:
            codes.append("412")
        return codes

    def _error_component(self) -> Any:
        component = ResolvedComponent(name="Error", type=ResolvedComponent.SCHEMA, object="Error", schema=_ERROR)
        self.registry.register_on_missing(component)
        return component.ref


class BearerScheme(OpenApiAuthenticationExtension):
    """Tells the document of the two ways in."""

    target_class = "subscriptions.api.authentication.BearerAuthentication"
    name = ["apiKey", "token", "tenant"]

    def get_security_requirement(self, auto_schema: Any) -> Any:
        """Return: an API key, or a token and a tenant."""
        return [{"apiKey": []}, {"token": [], "tenant": []}]

    def get_security_definition(self, auto_schema: Any) -> Any:
        """Return the three schemes."""
        return [
            {"type": "http", "scheme": "bearer", "description": "An API key, `ak_live_…`."},
            {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            {"type": "apiKey", "in": "header", "name": "X-tenant-ID", "description": "The merchant's `mch_…` id."},
        ]
