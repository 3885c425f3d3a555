"""Every command and address that a document prints is one that the product takes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class
from django.db import connection
from django.urls import Resolver404, resolve

from deliveries.models import Delivery
from subscriptions import limits
from subscriptions.api.base import NotFoundView
from tests.support.api import Client
from tests.support.desk import make_shop
from tests.support.factories import make_api_key

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")] + sorted((ROOT / "docs").glob("*.md"))
TEXT = {page.name: page.read_text("utf-8") for page in PAGES}
STAND_INS = {"$MERCHANT": "mch_1", "YOUR_SECRET": "a-secret-of-mine", "…": "alva", "MERCHANT": "mch_1"}


def manage_lines() -> set[str]:
    """Return what stands behind `manage.py` in code of the pages."""
    found = set()
    for text in TEXT.values():
        spans = [*re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text), *re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)]
        for span in spans:
            if match := re.match(r"(?:\S*python )?manage\.py (\S.*)$", re.sub(r"\s#.*", "", span)):
                found.add(match[1].strip())
    return found


@pytest.mark.parametrize("line", sorted(manage_lines()))
def test_a_command_that_is_printed_takes_its_arguments(line: str) -> None:
    for name, value in STAND_INS.items():
        line = line.replace(name, value)
    name, *arguments = shlex.split(line)
    command = load_command_class(get_commands()[name], name)
    parser = command.create_parser("manage.py", name)
    known = [one for action in parser._actions for one in action.option_strings]
    if arguments:
        parser.parse_args(arguments)  # exits where they make no sense
    assert "--help" in known


def test_there_are_commands_on_the_pages() -> None:
    assert {line.split()[0] for line in manage_lines()} >= {
        "create_merchant",
        "listen",
        "publish",
        "doctor",
        "purge",
        "migrate",
    }


@pytest.mark.parametrize("option", ["--fail 2", "--status 500", "--delay 20"])
def test_the_listeners_manners_are_printed_as_it_takes_them(option: str) -> None:
    assert f"`{option}`" in TEXT["README.md"] + TEXT["receivers.md"]
    parser = load_command_class("deliveries", "listen").create_parser("manage.py", "listen")
    parser.parse_args(option.split())


def addresses() -> dict[str, set[str]]:
    """Return method → the API's addresses that pages print, with their queries."""
    found: dict[str, set[str]] = {}
    pattern = re.compile(r"\b(GET|POST|PATCH|PUT|DELETE) (?:/api/v1/)?([a-z][a-z0-9/{}_-]*(?:\?[^\s`]*)?)")
    for text in TEXT.values():
        for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text):
            for method, address in pattern.findall(span):
                found.setdefault(method, set()).add(address)
    return found


PRINTED = [(method, address) for method, found in sorted(addresses().items()) for address in sorted(found)]


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "address"), PRINTED)
def test_an_address_that_is_printed_is_answered(method: str, address: str) -> None:
    limits.forget_rates()
    shop = make_shop("aster")
    shop.rows["rates"].delete()
    api = Client(make_api_key(shop.merchant).text)
    ids = {"webhooks": shop.webhook, "events": shop.event, "deliveries": shop.delivery, "dead-letters": shop.delivery}
    path, _, query = address.partition("?")
    kind = path.split("/")[0]
    row: Any = ids.get(kind, shop.rows["job"])
    path = path.replace("{id}", row.public_id)
    query = query.replace("evt_…", shop.event.public_id).replace("=…", "=2024-01-15T00:00:00Z")
    root = "/" if path.startswith("company") else "/api/v1/"
    try:
        view = resolve(root + path).func
    except Resolver404:
        pytest.fail(f"{method} {address} leads nowhere")
    assert getattr(view, "cls", None) is not NotFoundView, address
    assert hasattr(view.cls, method.lower()), address
    if method == "GET":
        answer = api.get(f"{root}{path}{'?' + query if query else ''}")
        assert answer.status_code == 200, answer.content
    assert Delivery.objects.exists()


def test_there_are_addresses_on_the_pages() -> None:
    assert len(PRINTED) > 10


QUERIES = sorted({query for text in TEXT.values() for query in re.findall(r"`\?([a-z_]+=[^`\s]*)`", text)})


@pytest.mark.django_db
@pytest.mark.parametrize("query", QUERIES)
def test_a_query_that_is_printed_as_refused_is_refused(query: str) -> None:
    api = Client(make_api_key().text)
    assert api.get(f"/api/v1/deliveries?{query}").status_code == 422


@pytest.mark.django_db
def test_the_error_that_the_page_prints_is_what_is_answered() -> None:
    [printed] = re.findall(r"```json\n(.*?)```", TEXT["api.md"], re.DOTALL)
    api = Client(make_api_key().text)
    answer = api.post("/api/v1/webhooks", {"url": "http://127.0.0.1:9/hook", "events": ["order.craeted"]})
    assert answer.status_code == 422
    assert answer.json() == json.loads(printed)


STATEMENTS = re.findall(r"^    ((?:ALTER|CREATE|SELECT|GRANT)\b.*;)$", TEXT["operations.md"], re.MULTILINE)


@pytest.mark.django_db
@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_that_is_printed_is_one_that_postgresql_takes(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        role = cursor.fetchone()[0]
        cursor.execute(statement.replace(" webhooks ", f' "{role}" '))


def test_there_are_statements_on_the_page() -> None:
    assert len(STATEMENTS) >= 3
