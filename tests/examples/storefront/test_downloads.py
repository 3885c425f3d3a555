from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from examples.storefront import services, tasks
from examples.storefront.models import Download, File
from subscriptions.models import Merchant
from tests.examples.storefront.conftest import Shop

Read = Callable[[], list[Any]]


@pytest.fixture
def link(shop: Shop, told: Read) -> Download:
    made = services.generate_download(
        merchant=shop.merchant, file=shop.file, customer_email="customer@example.com", days=7, limit=2
    )
    assert [event.name for event in told()] == ["download.created"]
    return made


def fetch(key: str, **headers: str) -> Any:
    return Client(REMOTE_ADDR="192.168.1.100").get("/download", {"key": key}, headers=headers)


def test_a_download_is_counted_and_told_as_the_document_has_it(link: Download, shop: Shop, told: Read) -> None:
    answer = fetch(link.token, **{"User-Agent": "Mozilla/5.0"})
    assert answer.status_code == 200
    assert answer.json() == {
        "id": shop.file.public_id,
        "filename": "Chapter-1.pdf",
        "size": 2_500_000,
        "downloads_remaining": 1,
    }
    assert "no-store" in answer["Cache-Control"]
    [event] = told()
    assert event.name == "download.accessed"
    assert event.data == {
        "download": {
            "id": link.public_id,
            "token": link.token,
            "file": {"id": shop.file.public_id, "filename": "Chapter-1.pdf", "size": 2_500_000},
            "customer": {"email": "customer@example.com", "name": "John Smith"},
            "order_number": "",
            "download_count": 1,
            "download_limit": 2,
            "downloads_remaining": 1,
            "ip_address": "192.168.1.100",
            "user_agent": "Mozilla/5.0",
            "location": {"country": None, "region": None, "city": None},
        }
    }


def test_the_last_download_also_reaches_the_limit_and_the_next_is_refused(link: Download, told: Read) -> None:
    fetch(link.token)
    told()
    assert fetch(link.token).status_code == 200
    accessed, reached = told()
    assert (accessed.name, reached.name) == ("download.accessed", "download.limit_reached")
    assert reached.data["download"]["downloads_remaining"] == 0
    answer = fetch(link.token)
    assert answer.status_code == 410
    assert "as often as it may be" in answer.content.decode()
    assert told() == []
    link.refresh_from_db()
    assert link.count == 2


def test_an_expired_link_is_told_once_and_refused(link: Download, told: Read) -> None:
    Download.objects.update(expires_at=timezone.now() - timedelta(days=3))
    link.refresh_from_db()
    answers = [fetch(link.token), fetch(link.token)]
    assert [answer.status_code for answer in answers] == [410, 410]
    assert "expired" in answers[0].content.decode()
    [event] = told()
    assert event.name == "download.expired"
    assert event.data["download"]["expired_at"] == f"{link.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    assert event.data["download"]["download_count"] == 0


def test_a_link_that_nobody_clicks_expires_by_housekeeping(link: Download, told: Read) -> None:
    tasks.expire_downloads()
    assert told() == []
    Download.objects.update(expires_at=timezone.now())
    tasks.expire_downloads()
    tasks.expire_downloads()
    assert [event.name for event in told()] == ["download.expired"]
    assert fetch(link.token).status_code == 410
    assert told() == []


def test_more_links_than_one_transaction_takes_all_expire(
    shop: Shop, told: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _number in range(3):
        Download.objects.create(
            merchant=shop.merchant, file=shop.file, customer_email="a@example.com", expires_at=timezone.now()
        )
    told()
    assert services.expire_downloads(limit=2) == 2
    assert services.expire_downloads(limit=2) == 1
    assert services.expire_downloads(limit=2) == 0
    assert [event.name for event in told()] == ["download.expired"] * 3


def test_a_revoked_link_is_told_once_and_refused(link: Download, told: Read) -> None:
    services.revoke_download(download=link, by="anna", reason="shared in public")
    services.revoke_download(download=link, by="ben")
    [event] = told()
    assert event.name == "download.revoked"
    found = event.data["download"]
    assert (found["revoked_by"], found["reason"]) == ("anna", "shared in public")
    answer = fetch(link.token)
    assert answer.status_code == 410
    assert "revoked" in answer.content.decode()
    assert told() == []


@pytest.mark.parametrize("key", ["", "none", "\0", "x" * 65, "ü", "a b"])
def test_a_link_that_never_was_is_404(key: str, link: Download, told: Read) -> None:
    answer = fetch(key)
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/plain")
    assert told() == []


def test_the_links_of_a_merchant_that_is_off_are_not_there(link: Download, shop: Shop, told: Read) -> None:
    Merchant.objects.filter(pk=shop.merchant.pk).update(is_active=False)
    assert fetch(link.token).status_code == 404
    assert told() == []


def test_only_get_uses_a_download_up(link: Download, told: Read) -> None:
    for method in ("head", "post", "options"):
        assert getattr(Client(), method)(f"/download?key={link.token}").status_code == 405
    assert told() == []


def test_a_download_leads_to_where_the_bytes_lie(link: Download, shop: Shop, told: Read) -> None:
    File.objects.update(source_url="https://files.example.com/chapter-1")
    answer = fetch(link.token)
    assert (answer.status_code, answer["Location"]) == (302, "https://files.example.com/chapter-1")
    assert [event.name for event in told()] == ["download.accessed"]


def test_a_link_without_limit_and_end_works_on(shop: Shop, told: Read) -> None:
    link = services.generate_download(
        merchant=shop.merchant, file=shop.file, customer_email="stranger@example.com", days=None, limit=None
    )
    for _number in range(3):
        assert fetch(link.token).json()["downloads_remaining"] is None
    created, *accessed = told()
    assert created.data["download"]["expires_at"] is None
    assert created.data["download"]["customer"]["name"] is None
    assert [event.data["download"]["download_count"] for event in accessed] == [1, 2, 3]


def test_a_browser_that_says_strange_things_is_logged_as_far_as_it_goes(link: Download, told: Read) -> None:
    assert fetch(link.token, **{"User-Agent": "\xff" * 600}).status_code == 200
    assert len(told()[0].data["download"]["user_agent"]) == 500
