from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client as Browser
from django.utils import timezone

from examples.storefront.models import Download, File
from tests.examples.storefront.conftest import Shop
from tests.support.api import Client, attrs
from tests.support.factories import make_api_key

Read = Callable[[], list[Any]]


def add_files(shop: Shop, count: int, **columns: Any) -> list[File]:
    rows = [
        File(merchant=shop.merchant, **{"filename": f"{number}.pdf", "size": number, **columns})
        for number in range(count)
    ]
    return File.objects.bulk_create(rows)


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [file["filename"] for file in answer.json()["files"]]


def test_files_are_listed_as_the_document_has_them(api: Client, shop: Shop) -> None:
    Download.objects.create(merchant=shop.merchant, file=shop.file, customer_email="a@example.com", count=100)
    Download.objects.create(merchant=shop.merchant, file=shop.file, customer_email="b@example.com", count=45)
    answer = api.get("/api/files")
    assert answer.status_code == 200
    assert answer.json() == {
        "files": [
            {
                "id": shop.file.public_id,
                "filename": "Chapter-1.pdf",
                "size": 2500000,
                "upload_date": shop.file.upload_date.isoformat(),
                "products": [shop.product.public_id],
                "tags": ["course", "chapter1"],
                "downloads": 145,
            }
        ],
        "total": 1,
        "page": 1,
        "pages": 1,
    }
    assert api.get(f"/api/files/{shop.file.public_id}").json() == answer.json()["files"][0]


def test_a_page_has_fifty_files_unless_told_otherwise(api: Client, shop: Shop) -> None:
    add_files(shop, 246)
    first = api.get("/api/files").json()
    assert (len(first["files"]), first["total"], first["page"], first["pages"]) == (50, 247, 1, 5)
    last = api.get("/api/files?page=5&limit=50").json()
    assert (len(last["files"]), last["page"]) == (47, 5)
    beyond = api.get("/api/files?page=6").json()
    assert (beyond["files"], beyond["total"], beyond["pages"]) == ([], 247, 5)
    pages = [api.get(f"/api/files?limit=100&page={page}").json()["files"] for page in (1, 2, 3)]
    assert len({file["id"] for page in pages for file in page}) == 247


def test_a_shop_without_files_has_no_pages(api: Client, shop: Shop) -> None:
    shop.file.delete()
    assert api.get("/api/files").json() == {"files": [], "total": 0, "page": 1, "pages": 0}


def test_files_are_found_by_any_of_their_tags(api: Client, shop: Shop) -> None:
    add_files(shop, 1, filename="premium.pdf", tags=["premium"])
    add_files(shop, 1, filename="both.pdf", tags=["premium", "course"])
    add_files(shop, 1, filename="courses.pdf", tags=["courses", "Course"])
    assert names(api.get("/api/files?tags=course")) == ["Chapter-1.pdf", "both.pdf"]
    assert names(api.get("/api/files?tags=course,%20premium")) == ["Chapter-1.pdf", "premium.pdf", "both.pdf"]
    assert names(api.get("/api/files?tags=none")) == []
    assert names(api.get("/api/files?tags=%27)%20OR%201=1--")) == []
    assert api.get("/api/files?tags=course&limit=1").json()["pages"] == 2


def test_files_without_a_product_are_found(api: Client, shop: Shop) -> None:
    add_files(shop, 1, filename="loose.pdf")
    assert names(api.get("/api/files?unmapped=true")) == ["loose.pdf"]
    assert names(api.get("/api/files?unmapped=false")) == ["Chapter-1.pdf"]


@pytest.mark.parametrize("column", ["created_at", "updated_at"])
def test_files_are_found_by_when_they_were_added_or_changed(column: str, api: Client, shop: Shop) -> None:
    moment = timezone.now()
    [late] = add_files(shop, 1, filename="late.pdf")
    File.objects.filter(pk=shop.file.pk).update(**{column: moment - timedelta(days=1)})
    File.objects.filter(pk=late.pk).update(**{column: moment})
    assert names(api.get(f"/api/files?{column}_min={moment.isoformat().replace('+', '%2B')}")) == ["late.pdf"]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("page=0", "page"),
        ("page=1.5", "page"),
        ("page=99999999999999999999", "page"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("tag=course", "tag"),
    ],
)
def test_a_query_that_makes_no_sense_is_400_and_names_it(query: str, wrong: str, api: Client) -> None:
    answer = api.get(f"/api/files?{query}")
    assert answer.status_code == 400, answer.content
    assert list(attrs(answer)) == [wrong]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("unmapped=yes", "unmapped"),
        ("created_at_min=yesterday", "created_at_min"),
        ("tags=a%00", "tags"),
    ],
)
def test_a_filters_value_that_makes_no_sense_is_422_and_named(query: str, wrong: str, api: Client) -> None:
    answer = api.get(f"/api/files?{query}")
    assert answer.status_code == 422, answer.content
    assert list(attrs(answer)) == [wrong]


def test_a_list_takes_the_same_few_queries_however_long_it_is(
    api: Client, shop: Shop, django_assert_max_num_queries: Any
) -> None:
    add_files(shop, 40)
    with django_assert_max_num_queries(6):
        assert len(names(api.get("/api/files"))) == 41


def test_files_of_others_are_not_there(api: Client, other_shop: Shop) -> None:
    assert other_shop.file.public_id not in api.get("/api/files").content.decode()
    for place in (other_shop.file.public_id, "file_none", "%00", "x" * 80):
        assert api.get(f"/api/files/{place}").status_code == 404
    body = {"file_id": other_shop.file.public_id, "customer_email": "a@example.com"}
    answer = api.post("/api/downloads/generate", body)
    assert answer.status_code == 422
    assert list(attrs(answer)) == ["file_id"]
    assert not Download.objects.exists()


def test_a_link_is_made_as_documented_and_works(api: Client, shop: Shop, told: Read) -> None:
    body = {
        "file_id": shop.file.public_id,
        "customer_email": "customer@example.com",
        "expiry_days": 7,
        "download_limit": 3,
    }
    answer = api.post("/api/downloads/generate", body)
    assert answer.status_code == 201, answer.content
    made = answer.json()
    link = Download.objects.get()
    assert made == {
        "download_url": f"http://testserver/download?key={link.token}",
        "token": link.token,
        "expires_at": f"{link.expires_at:%Y-%m-%dT%H:%M:%SZ}",
        "download_limit": 3,
    }
    assert abs(link.expires_at - timezone.now() - timedelta(days=7)) < timedelta(minutes=5)
    place = urlsplit(made["download_url"])
    assert Browser().get(f"{place.path}?{place.query}").status_code == 200
    created, accessed = told()
    assert (created.name, accessed.name) == ("download.created", "download.accessed")
    assert created.data["download"]["download_url"] == made["download_url"]
    assert created.data["download"]["expires_at"] == made["expires_at"]


def test_what_a_link_may_leave_out(api: Client, shop: Shop) -> None:
    answer = api.post("/api/downloads/generate", {"file_id": shop.file.public_id, "customer_email": "a@example.com"})
    assert answer.status_code == 201
    assert answer.json()["download_limit"] == 3


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"file_id": None}, "file_id"),
        ({"file_id": "file_none"}, "file_id"),
        ({"file_id": 7}, "file_id"),
        ({"customer_email": "somebody"}, "customer_email"),
        ({"customer_email": f"{'x' * 250}@example.com"}, "customer_email"),
        ({"customer_email": ""}, "customer_email"),
        ({"expiry_days": 0}, "expiry_days"),
        ({"expiry_days": 3651}, "expiry_days"),
        ({"expiry_days": True}, "expiry_days"),
        ({"expiry_days": "7"}, "expiry_days"),
        ({"expiry_days": None}, "expiry_days"),
        ({"download_limit": -1}, "download_limit"),
        ({"download_limit": 1.5}, "download_limit"),
        ({"download_limit": 10**18}, "download_limit"),
        ({"limit": 3}, "limit"),
    ],
)
def test_a_link_that_makes_no_sense_is_422_and_names_the_field(
    change: dict[str, Any], wrong: str, api: Client, shop: Shop, told: Read
) -> None:
    body = {"file_id": shop.file.public_id, "customer_email": "customer@example.com", **change}
    answer = api.post("/api/downloads/generate", {name: value for name, value in body.items() if value != "left out"})
    assert answer.status_code == 422, answer.content
    assert list(attrs(answer)) == [wrong]
    assert told() == []
    assert not Download.objects.exists()


def test_every_answer_tells_the_limits_and_past_them_it_is_429(api: Client, shop: Shop, settings: Any) -> None:
    settings.WEBHOOKS_API_RATE_HOUR, settings.WEBHOOKS_API_RATE_MINUTE = 1000, 2
    answer = api.get("/api/files")
    assert (answer["X-RateLimit-Limit"], answer["X-RateLimit-Remaining"]) == ("1000", "999")
    assert int(answer["X-RateLimit-Reset"]) > timezone.now().timestamp()
    api.get("/api/files/file_none")
    refused = api.post("/api/downloads/generate", {})
    assert refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= 60


def test_a_link_is_made_once_for_an_idempotency_key(api: Client, shop: Shop, told: Read) -> None:
    body = {"file_id": shop.file.public_id, "customer_email": "customer@example.com"}
    answers = [api.post("/api/downloads/generate", body, **{"Idempotency-Key": "one"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert [event.name for event in told()] == ["download.created"]


def test_without_a_key_or_its_scope_nobody_gets_in(shop: Shop) -> None:
    routes = [("GET", "/api/files"), ("GET", f"/api/files/{shop.file.public_id}"), ("POST", "/api/downloads/generate")]
    publisher = Client(make_api_key(shop.merchant, scopes=["publish"]).text)
    for method, path in routes:
        assert Client(None).request(method, path).status_code == 401
        assert Client("ak_live_wrong").request(method, path).status_code == 401
        assert publisher.request(method, path).status_code == 403


@pytest.mark.parametrize("path", ["/api/files/", "/api/downloads", "/api/downloads/generate/more", "/api/files/a/b"])
def test_an_address_that_leads_nowhere_answers_as_the_api_does(path: str, api: Client) -> None:
    answer = api.get(path)
    assert answer.status_code == 404
    assert "no such address" in answer.json()["errors"][0]["detail"]


def test_the_shop_takes_no_address_of_the_platforms(api: Client) -> None:
    assert api.get("/api/v1/webhooks").json()["results"] == []
    assert api.get("/api/v1/files").status_code == 404
    schema = api.get("/api/schema/", Accept="application/vnd.oai.openapi+json")
    paths = json.loads(schema.content)["paths"]
    assert {"/api/files", "/api/files/{id}", "/api/downloads/generate", "/api/v1/webhooks"} <= paths.keys()
    assert api.get("/api/docs/").status_code == 200
