"""Pages for everybody: the API's reference, the guide, the state of the service; and the links to them."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator

from deliveries.queueing import wakeups
from tests.support.desk import make_shop, sign_in
from webhooks_project.outside import guide

pytestmark = pytest.mark.django_db


@pytest.fixture
def reference(client: Client) -> str:
    return client.get("/api/docs/").content.decode()


def test_the_reference_has_every_operation_with_its_command_and_every_object(reference: str) -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f'<h3 id="{operation["operationId"]}">{operation["summary"]}</h3>' in unescape(reference)
            assert f'curl -X {method.upper()} "http://localhost:8000{path}"' in unescape(reference)
    assert len(re.findall('<h3 id="object-', reference)) > 40


def test_no_link_of_the_reference_leads_nowhere(reference: str) -> None:
    ids = set(re.findall(r'id="([^"]+)"', reference))
    assert set(re.findall(r'href="#([^"]+)"', reference)) <= ids
    assert len(ids) == len(re.findall(r' id="([^"]+)"', reference))


def test_the_old_address_leads_to_the_reference(client: Client) -> None:
    assert client.get("/api/redoc/").headers["Location"] == "/api/docs/"


@pytest.mark.parametrize("path", ["/api/docs/", "/guide/", "/guide/receivers/", "/status/"])
def test_a_page_needs_no_account_and_runs_no_script(path: str, client: Client) -> None:
    answer = client.get(path)
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in answer.content.decode()
    for address in ("/guide/", "/api/docs/", "/status/"):
        assert f'href="{address}"' in answer.content.decode()


@pytest.mark.parametrize("name", guide.PARTS)
def test_links_of_the_guide_lead_to_its_parts(name: str, client: Client) -> None:
    text = client.get(f"/guide/{name}/").content.decode()
    assert ".md" not in " ".join(re.findall(r'href="([^"]*)"', text))
    assert not re.search(r'href="[^"]*">[\w-]+\.md</a>', text), "a link is named by its file"
    for target, anchor in re.findall(r'href="(/guide/[\w-]+/)#([^"]+)"', text):
        assert f'id="{anchor}"' in client.get(target).content.decode(), (target, anchor)


def test_what_is_no_part_of_the_guide_is_not_read(client: Client) -> None:
    assert client.get("/guide/operations/").status_code == 404


def test_the_state_of_the_service_tells_what_works(client: Client) -> None:
    assert "Nothing is sent now" in client.get("/status/").content.decode()
    wakeups.heartbeat(dispatcher_ids=[], worker=True)
    answer = client.get("/status/")
    assert (answer.status_code, "Everything works." in answer.content.decode()) == (200, True)


def test_the_operators_own_pages_take_their_place(client: Client, settings: Any) -> None:
    settings.STATUS_URL = "https://status.example.com/"
    assert 'href="https://status.example.com/"' in client.get("/guide/").content.decode()


@pytest.mark.parametrize("role", ["owner", "viewer"])
@pytest.mark.parametrize("page", ["index", "webhooks_deliveries_delivery_changelist", "account"])
def test_every_page_of_the_desk_links_to_help(role: str, page: str) -> None:
    browser = sign_in(make_shop("aster").people[role])
    text = browser.get(reverse("account" if page == "account" else f"admin:{page}")).content.decode()
    for address in ("/guide/", "/api/docs/", "/status/"):
        assert f'href="{address}"' in text
