"""Adds to the OpenAPI document what all operations have in common: errors, headers, scopes, the ways to sign in."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, force_instance
from drf_spectacular.utils import OpenApiParameter

from subscriptions.api import idempotency
from subscriptions.api.describing import field_names
from subscriptions.api.formats import NO_NUL
from subscriptions.api.permissions import scope_of

if TYPE_CHECKING:
    from subscriptions.api.base import ApiView


_CHOSEN = {"type": "object", "description": "With `fields`: only those.", "minProperties": 1}
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
                    "detail": {"type": "string", "description": "For people: what is wrong and how to fix it."},
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
    "400": "Not JSON, or a query parameter that there is not, or that says no page.",
    "401": "No valid credential.",
    "403": "The credential lacks the scope that is named.",
    "404": "Not there, or somebody else's.",
    "405": "Not a method of this address.",
    "406": "Only application/json is answered.",
    "409": "Contradicts the present state, or an Idempotency-Key of another request.",
    "410": "The cursor leads to what is no longer there, or never was; the error says how to go on.",
    "411": "Bodies in chunks aren't taken.",
    "412": "Changed since you read it.",
    "413": "Too large for one request.",
    "415": "Only application/json is read.",
    "422": "Well-formed, but can't be done as asked; `attr` names the field, or the filter that is blank or wrong.",
    "429": "Too many requests; Retry-After says when the next may pass.",
}


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
        if self.method == "POST" and hasattr(self.view, "sends") and self.view.authentication_classes:
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
            found.append(
                OpenApiParameter(
                    "fields",
                    {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "string",
                            "enum": field_names(self._handler().answer),
                        },
                    },
                    description="Only these fields, separated by commas.",
                    style="form",
                    explode=False,
                )
            )
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
        body = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        serializer = self.get_request_serializer()
        if body and serializer is not None:
            shape = force_instance(serializer)  # type: ignore[no-untyped-call]
            is_needed = hasattr(shape, "alternatives") or any(field.required for field in shape.get_fields().values())
            body["required"] = self.method != "PATCH" and is_needed
        return body

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if direction == "request":
            if hasattr(serializer, "alternatives"):
                schema["anyOf"] = serializer.alternatives()
            schema["additionalProperties"] = False  # ApiSerializer refuses unknown ones
            for one in schema["properties"].values():
                _refuse_nul(one.get("items", one))
        elif schema["properties"]:
            schema["required"] = sorted(schema["properties"])  # what a request may leave out, answers hold
        return schema

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        if direction == "request" and field.field_name in getattr(field.parent, "null_means_empty", ()):
            field = copy.copy(field)
            field.allow_null = True
        return super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call]

    def _insert_field_validators(self, field: Any, schema: Any) -> None:
        super()._insert_field_validators(field, schema)  # type: ignore[no-untyped-call]
        # Our patterns say for themselves whether text may be empty: in `oneOf`, empty text would fit twice.
        if "oneOf" in schema and "pattern" in schema["oneOf"][0]:
            schema.update(schema.pop("oneOf")[0])

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        found = super()._get_response_bodies(direction)
        if self.method == "GET" and hasattr(self.view, "sends"):
            self._allow_for_chosen_fields(found["200"]["content"]["application/json"])
        for code in self._errors():
            found[code] = {
                "description": _MEANINGS[code],
                "content": {"application/json": {"schema": self._error_component()}},
            }
        return dict(sorted(found.items()))

    def _handler(self) -> Any:
        """Return the view's method, which `describe` told what it answers."""
        return getattr(self.view, self.method.lower())

    def _allow_for_chosen_fields(self, content: dict[str, Any]) -> None:
        """Say that with `fields` a resource comes with those only."""
        handler = self._handler()
        if not handler.pages:
            content["schema"] = {"anyOf": [content["schema"], _CHOSEN]}
            return
        row = self.resolve_serializer(handler.answer, "response").ref
        answers = cast("dict[int, Any]", self.get_response_serializers())
        page = self.resolve_serializer(answers[200], "response").schema
        results = {"type": "array", "items": {"anyOf": [row, _CHOSEN]}}
        content["schema"] = page | {"properties": page["properties"] | {"results": results}}

    def _errors(self) -> list[str]:
        codes = ["400", "401", "403", "405", "406", "429"]
        if "{" in self.path:
            codes.append("404")
        if self.method in {"POST", "PUT", "PATCH"}:
            codes += ["409", "411", "413", "415", "422"]
        if self.method == "GET":
            codes.append("422")
        if self.path.endswith("/feed"):
            codes += ["409", "410"]
        if self.method in {"PUT", "PATCH", "DELETE"}:
            codes.append("412")
        return codes

    def _error_component(self) -> Any:
        component = ResolvedComponent(name="Error", type=ResolvedComponent.SCHEMA, object="Error", schema=_ERROR)  # type: ignore[no-untyped-call]
        self.registry.register_on_missing(component)
        return component.ref


def _refuse_nul(schema: dict[str, Any]) -> None:
    if schema.get("type") in ("string", ["string", "null"]) and not {"pattern", "enum", "format"} & set(schema):
        schema["pattern"] = NO_NUL


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
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
