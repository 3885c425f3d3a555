"""The OpenAPI document and its page: anybody may ask, so they are made once a process and kept by caches."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.test import Client, RequestFactory
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView

from webhooks_project.outside.kept import once

pytestmark = pytest.mark.django_db

FORMS = ["", "application/vnd.oai.openapi", "application/yaml", "application/vnd.oai.openapi+json", "application/json"]
ADDRESSES = ["/api/schema/", "/api/schema/?format=json", "/api/docs/"]


@pytest.mark.parametrize(
    "accept", [*FORMS, "*/*", "application/*;q=0.5, application/json", "application/json; indent=2"]
)
def test_the_document_is_what_it_was_when_it_was_made_for_each_request(client: Client, accept: str) -> None:
    headers = {"Accept": accept} if accept else {}
    made = SpectacularAPIView.as_view()(RequestFactory().get("/api/schema/", headers=headers)).render()
    given = client.get("/api/schema/", headers=headers)
    assert given.status_code == made.status_code == 200
    for name in ("Content-Type", "Content-Disposition", "Vary"):
        expected = made.headers[name].replace(" (1.0.0)", "")
        assert given.headers[name] == (
            "application/json" if "indent" in accept and name == "Content-Type" else expected
        )
    if "indent" not in accept:
        assert given.content == made.content


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("?format=json", "application/vnd.oai.openapi+json"),
        ("?format=yaml", "application/vnd.oai.openapi; charset=utf-8"),
    ],
)
def test_the_query_names_the_form(client: Client, query: str, kind: str) -> None:
    assert client.get(f"/api/schema/{query}").headers["Content-Type"] == kind


def test_no_request_makes_the_document_once_more(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ADDRESSES:
        client.get(address)
    monkeypatch.setattr(SchemaGenerator, "get_schema", lambda *_, **__: pytest.fail("it was made again"))
    for address in ADDRESSES:
        for query in ("", "lang=de", "version=2", "x=1"):
            for accept in FORMS[1:]:
                answer = client.get(address + ("&" if "?" in address else "?") + query, headers={"Accept": accept})
                assert answer.status_code in {200, 404, 406}


@pytest.mark.parametrize("address", ADDRESSES)
def test_caches_keep_it_and_who_has_it_is_told_so(client: Client, address: str) -> None:
    first = client.get(address)
    etag = first.headers["ETag"]
    assert re.fullmatch('"[^"]{20,}"', etag)
    assert first.headers["Cache-Control"] == "public, max-age=3600"
    assert "Cookie" not in first.headers.get("Vary", "")
    assert not first.cookies
    for given in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        again = client.get(address, headers={"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
        assert again.headers["Cache-Control"] == "public, max-age=3600"
    assert client.get(address, headers={"If-None-Match": '"other"'}).content == first.content
    head = client.head(address)
    assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", etag)


def test_forms_have_etags_of_their_own(client: Client) -> None:
    etags = {client.get("/api/schema/", headers={"Accept": accept}).headers["ETag"] for accept in FORMS[1:]}
    assert len(etags) == 2


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("address", ["/api/schema/", "/api/docs/"])
def test_it_is_only_read(client: Client, address: str, method: str) -> None:
    assert getattr(client, method)(address).status_code == 405


def test_threads_that_ask_at_once_wait_for_the_one_that_makes_it() -> None:
    made: list[int] = []
    begin = threading.Barrier(8)

    @once
    def make(number: int) -> Any:
        made.append(number)
        time.sleep(0.05)
        return object()

    def ask(number: int) -> Any:
        begin.wait()
        return make(number)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, [1, 2] * 4))
    assert sorted(made) == [1, 2]
    assert len(set(map(id, found))) == 2


def test_what_failed_is_tried_again() -> None:
    tries: list[int] = []

    @once
    def make() -> int:
        tries.append(1)
        return 1 // (len(tries) - 1)

    with pytest.raises(ZeroDivisionError):
        make()
    assert (make(), make(), len(tries)) == (1, 1, 2)
