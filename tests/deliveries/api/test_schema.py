"""The OpenAPI document: valid, complete, true to the server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from django.core.management import call_command
from django.db import connection

from tests.api import Client

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


def test_it_is_served_with_pages_whose_assets_are_local(db: None) -> None:
    anybody = Client(None)
    schema = anybody.get("/api/schema/", Accept="application/vnd.oai.openapi+json")

    assert json.loads(schema.content)["openapi"].startswith("3.1")
    for page in ("/api/docs/", "/api/redoc/"):
        html = anybody.get(page).content.decode()
        assert "//cdn" not in html
        assert "/static/drf_spectacular_sidecar/" in html


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


def _errors(schema: dict[str, Any], value: Any) -> Iterator[Any]:
    return jsonschema_rs.Draft202012Validator(schema).iter_errors(value)


def test_every_operation_names_its_scope_and_its_errors(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert {"400", "401", "403", "429"} <= set(operation["responses"]), name
        assert "Scope: `" in operation["description"], name


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's test database lives in one connection")
def test_the_server_keeps_to_the_document(live_server: Any, api: Client, settings: Any, tmp_path: Path) -> None:
    for kind in ("API", "PUBLISH", "SIGN_IN"):
        setattr(settings, f"WEBHOOKS_{kind}_RATE_HOUR", 0)
        setattr(settings, f"WEBHOOKS_{kind}_RATE_MINUTE", 0)
    api.post("/api/v1/webhooks", {"url": "http://127.0.0.1:9/", "events": ["*"]})
    api.post("/api/v1/events", {"event": "order.created", "data": {}})
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file"),
        *(str(Path(__file__).with_name("schemathesis.toml")), "run", f"{live_server.url}/api/schema/"),
        *("--url", live_server.url, "-H", f"Authorization: {api.headers['Authorization']}", "--checks", "all"),
        *(
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            os.environ.get("SCHEMATHESIS_EXAMPLES", "5"),
        ),
        *("--seed", "1", "--continue-on-failure", "--no-color"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=900, check=False)

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
