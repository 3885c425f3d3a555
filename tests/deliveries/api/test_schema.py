"""The OpenAPI document: valid, complete, true to the server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from django.core.management import call_command

from tests.support.api import Client

SUCCESSES = ("200", "201", "202", "204")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    from drf_spectacular.generators import SchemaGenerator

    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for methods in document["paths"].values():
        for operation in methods.values():
            yield operation["operationId"], operation


def test_the_document_is_valid_and_made_without_a_warning(tmp_path: Path) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))


def test_it_is_served_with_a_page_whose_assets_are_local(db: None) -> None:
    anybody = Client(None)
    schema = anybody.get("/api/schema/", Accept="application/vnd.oai.openapi+json")

    assert json.loads(schema.content)["openapi"].startswith("3.1")
    html = anybody.get("/api/docs/").content.decode()
    assert re.findall(r"<(?:script|iframe|img)", html) == []
    assert all(address.startswith("/static/") for address in re.findall(r'<link [^>]*href="([^"]*)', html))


def test_every_operation_is_described_and_has_examples(document: dict[str, Any]) -> None:
    found = dict(operations(document))

    assert len(found) >= 43
    for name, operation in found.items():
        assert operation["summary"], name
        assert operation["description"], name
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        assert body is None or body.get("examples"), f"{name} has no example of its body"
        for code in SUCCESSES:
            answer = operation["responses"].get(code, {}).get("content", {}).get("application/json")
            assert answer is None or answer.get("examples"), f"{name} has no example of its answer"


def test_the_examples_are_as_the_document_says(document: dict[str, Any]) -> None:
    checked = 0
    for name, operation in operations(document):
        places = [operation.get("requestBody", {}), *(operation["responses"].get(code, {}) for code in SUCCESSES)]
        for place in places:
            content = place.get("content", {}).get("application/json", {})
            for example in content.get("examples", {}).values():
                schema = {**content["schema"], "components": document["components"]}
                errors = [f"{error.instance_path}: {error.message}" for error in _errors(schema, example["value"])]
                assert not errors, f"{name}: {errors}"
                checked += 1
    assert checked >= 50


def test_every_operation_says_more_than_its_title(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        text, _, _scope = operation["description"].partition("\n\nScope: ")
        assert len(text.split()) >= 10, f"{name}: {text}"


def test_answers_hold_all_members_and_requests_may_leave_some_out_or_null(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    for name, schema in schemas.items():
        if not name.endswith("Request") and name != "Error":
            assert schema["required"] == sorted(schema["properties"]), name
    assert schemas["NewWebhookRequest"]["required"] == ["events"]  # a queue has no URL of its own
    assert "required" not in schemas["PatchedWebhookRequest"]
    assert schemas["PatchedWebhookRequest"]["properties"]["ordering"]["enum"] == [
        "none",
        "resource",
        "webhook",
        None,
    ]
    assert schemas["Webhook"]["properties"]["ordering"]["enum"] == ["none", "resource", "webhook"]


def _errors(schema: dict[str, Any], value: Any) -> Iterator[Any]:
    return jsonschema_rs.Draft202012Validator(schema).iter_errors(value)


def test_every_operation_names_its_scope_and_its_errors(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert {"400", "401", "403", "429"} <= set(operation["responses"]), name
        assert "Scope: `" in operation["description"], name
