from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import reverse

from deliveries.models import DeadLetter, Delivery
from subscriptions.admin.own_rows import is_scoped_filter
from subscriptions.admin.row_actions import WithRowActions
from subscriptions.admin.scoping import MerchantScoped
from subscriptions.models import Merchant, Webhook
from tests.support.desk import Shop, make_row, make_shop, sign_in
from tests.support.factories import make_user

pytestmark = pytest.mark.django_db

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
OWN = [model for model in MODELS if admin.site._registry[model].merchant_path is not None]
ROLES = ("owner", "developer", "viewer")


@pytest.fixture
def shops() -> tuple[Shop, Shop]:
    both = make_shop("aster"), make_shop("borage")
    for shop in both:
        present = {type(row) for row in rows_of(shop)}
        shop.rows |= {model.__name__: make_row(model, shop.merchant) for model in OWN if model not in present}
    return both


ROW_ACTIONS = [
    (model, each)
    for model in MODELS
    if isinstance(admin.site._registry[model], WithRowActions)
    for each in type(admin.site._registry[model]).all_row_actions()
]


def rows_of(shop: Shop) -> list[Any]:
    return [shop.merchant, shop.webhook, shop.event, shop.delivery, shop.attempt, shop.dead_letter, *shop.rows.values()]


def url_of(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def row_of(shop: Shop, model: Any) -> Any:
    return next(row for row in rows_of(shop) if type(row) is model)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_registered_admin_is_scoped_and_its_filters_are(model: Any) -> None:
    model_admin = admin.site._registry[model]
    assert isinstance(model_admin, MerchantScoped)
    assert all(is_scoped_filter(model, entry) for entry in model_admin.list_filter)


@pytest.mark.parametrize("model", OWN, ids=lambda model: model._meta.label)
def test_a_list_shows_nothing_of_another_merchant(model: Any, shops: tuple[Shop, Shop]) -> None:
    aster, _borage = shops
    for role in ROLES:
        answer = sign_in(aster.people[role]).get(url_of(model, "changelist"))
        if answer.status_code == 403:  # not for this role at all
            continue
        assert answer.status_code == 200
        assert "borage" not in answer.content.decode()
        own = model.objects.filter(**{admin.site._registry[model].merchant_path: aster.merchant.pk})
        assert set(answer.context["cl"].result_list) <= set(own)
        assert list(answer.context["cl"].result_list)


@pytest.mark.parametrize("model", OWN, ids=lambda model: model._meta.label)
def test_a_guessed_address_of_another_merchants_row_answers_as_if_there_were_none(
    model: Any, shops: tuple[Shop, Shop]
) -> None:
    aster, borage = shops
    for role in ROLES:
        browser = sign_in(aster.people[role])
        for page in ("change", "delete", "history"):
            foreign, missing = url_of(model, page, row_of(borage, model).pk), url_of(model, page, 987654321)
            answers = [browser.get(address) for address in (foreign, missing)]
            assert answers[0].status_code == answers[1].status_code == 404
            assert "borage" not in answers[0].content.decode()


def pages_of(model: Any) -> list[str]:
    own = [f"do/{each.name}" for other, each in ROW_ACTIONS if other is model]
    named = {"User": ["password"], "Webhook": ["preview", "test", "shown"], "ApiKey": ["shown"], "Merchant": ["shown"]}
    return ["change", "delete", "history", *own, *named.get(model.__name__, [])]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_what_a_person_may_not_see_answers_as_what_never_was(model: Any, shops: tuple[Shop, Shop]) -> None:
    """Foreign rows, accounts, and rows of one's own merchant that are for other roles: status and text."""
    aster, borage = shops
    rows = [aster.people["viewer"], borage.people["viewer"]] if model is User else []
    rows += [row for shop in shops for row in rows_of(shop) if type(row) is model]
    for role in (*ROLES, "nobody"):
        person = make_user() if role == "nobody" else aster.people[role]
        browser = sign_in(person)
        visible = admin.site._registry[model].get_queryset(browser_request(person))
        for row in rows:
            is_seen = admin.site._registry[model].has_view_permission(browser_request(person), row)
            if is_seen and visible.filter(pk=row.pk).exists():
                continue
            for page in pages_of(model):
                base = url_of(model, "changelist")
                for ask in (browser.get, browser.post):
                    found, missing = ask(f"{base}{row.pk}/{page}/"), ask(f"{base}987654321/{page}/")
                    assert (found.status_code, found.content) == (missing.status_code, missing.content), (role, page)


def browser_request(person: Any) -> Any:
    request = RequestFactory().get("/")
    request.user = person
    return request


@pytest.mark.parametrize("model", OWN, ids=lambda model: model._meta.label)
def test_posting_to_another_merchants_row_answers_404_and_changes_nothing(model: Any, shops: tuple[Shop, Shop]) -> None:
    aster, borage = shops
    row = row_of(borage, model)
    before = model.objects.filter(pk=row.pk).values().get()
    for role in ROLES:
        browser = sign_in(aster.people[role])
        assert browser.post(url_of(model, "change", row.pk), {"name": "taken", "role": "owner"}).status_code == 404
        assert browser.post(url_of(model, "delete", row.pk), {"post": "yes"}).status_code == 404
    assert model.objects.filter(pk=row.pk).values().get() == before


@pytest.mark.parametrize(
    ("model", "each"), ROW_ACTIONS, ids=lambda part: getattr(part, "name", None) or part._meta.label
)
def test_a_row_action_on_another_merchants_row_answers_404(model: Any, each: Any, shops: tuple[Shop, Shop]) -> None:
    aster, borage = shops
    row = row_of(borage, model)
    before = model.objects.filter(pk=row.pk).values().get()
    assert sign_in(aster.people["owner"]).post(url_of(model, each.name, row.pk)).status_code == 404
    assert model.objects.filter(pk=row.pk).values().get() == before


@pytest.mark.parametrize(
    ("model", "each"), ROW_ACTIONS, ids=lambda part: getattr(part, "name", None) or part._meta.label
)
def test_a_viewer_can_do_no_row_action_and_a_get_never_does_one(
    model: Any, each: Any, shops: tuple[Shop, Shop]
) -> None:
    aster, _borage = shops
    row = row_of(aster, model)
    before = model.objects.filter(pk=row.pk).values().get()
    # A row the viewer may not even see answers 404 or 403; one they may see answers 403.
    assert sign_in(aster.people["viewer"]).post(url_of(model, each.name, row.pk)).status_code in {403, 404}
    assert sign_in(aster.people["owner"]).get(url_of(model, each.name, row.pk)).status_code == 405
    assert model.objects.filter(pk=row.pk).values().get() == before


def actions_of(model: Any) -> list[str]:
    names = list(admin.site._registry[model].actions or [])
    return [*names, "delete_selected"]


ACTIONS = [(model, name) for model in OWN for name in actions_of(model)]


@pytest.mark.parametrize(
    ("model", "name"), ACTIONS, ids=lambda part: part if isinstance(part, str) else part._meta.label
)
def test_an_action_posted_with_foreign_ids_changes_nothing(model: Any, name: str, shops: tuple[Shop, Shop]) -> None:
    aster, borage = shops
    row = row_of(borage, model)
    before = model.objects.filter(pk=row.pk).values().get()
    states = list(Delivery.objects.order_by("pk").values_list("pk", "status"))
    browser = sign_in(aster.people["owner"])
    browser.post(url_of(model, "changelist"), {"action": name, "_selected_action": [row.pk], "post": "yes", "index": 0})
    assert model.objects.filter(pk=row.pk).values().get() == before
    assert list(Delivery.objects.order_by("pk").values_list("pk", "status")) == states


@pytest.mark.parametrize(
    ("model", "name"), ACTIONS, ids=lambda part: part if isinstance(part, str) else part._meta.label
)
def test_an_action_of_a_viewer_changes_nothing(model: Any, name: str, shops: tuple[Shop, Shop]) -> None:
    aster, _borage = shops
    row = row_of(aster, model)
    before = model.objects.filter(pk=row.pk).values().get()
    browser = sign_in(aster.people["viewer"])
    browser.post(url_of(model, "changelist"), {"action": name, "_selected_action": [row.pk], "post": "yes", "index": 0})
    assert model.objects.filter(pk=row.pk).values().get() == before


def test_whoever_is_an_owner_here_and_a_viewer_there_decides_nothing_there(shops: tuple[Shop, Shop]) -> None:
    aster, borage = shops
    person = aster.people["owner"]
    borage.merchant.memberships.create(user=person, role="viewer")
    browser = sign_in(person)
    both = [aster.dead_letter.pk, borage.dead_letter.pk]
    address = url_of(DeadLetter, "changelist")
    assert "borage.example.com" in browser.get(address).content.decode()
    browser.post(address, {"action": "discard_selected", "_selected_action": both, "index": 0, "note": "x"})
    aster.dead_letter.refresh_from_db()
    borage.dead_letter.refresh_from_db()
    assert (aster.dead_letter.resolution, borage.dead_letter.resolution) == ("discarded", "")


def test_a_form_offers_only_own_merchants_and_refuses_a_foreign_one(shops: tuple[Shop, Shop]) -> None:
    aster, borage = shops
    browser = sign_in(aster.people["owner"])
    page = browser.get(url_of(Webhook, "add"))
    assert list(page.context["adminform"].form.fields["merchant"].queryset) == [aster.merchant]
    values = {"merchant": borage.merchant.pk, "url": "https://x.example.com/", "dialect": "standard", "events": ["*"]}
    answer = browser.post(
        url_of(Webhook, "add"), {**values, "is_enabled": "on", "body_style": "compact", "api_version": "1"}
    )
    assert answer.context["adminform"].form.errors["merchant"]
    assert borage.merchant.webhooks.count() == 1


def test_at_an_inactive_merchant_everyone_only_looks(shops: tuple[Shop, Shop]) -> None:
    aster, _borage = shops
    Merchant.objects.filter(pk=aster.merchant.pk).update(is_active=False)
    browser = sign_in(aster.people["owner"])
    assert browser.get(url_of(Webhook, "change", aster.webhook.pk)).status_code == 200
    assert browser.post(url_of(Webhook, "pause", aster.webhook.pk)).status_code == 403


def test_staff_see_every_merchant(shops: tuple[Shop, Shop]) -> None:
    browser = sign_in(make_user(is_superuser=True))
    for model in OWN:
        text = browser.get(url_of(model, "changelist")).content.decode()
        if model._meta.model_name in {"webhook", "delivery", "deadletter", "event", "merchant"}:
            assert "aster" in text
            assert "borage" in text


def test_an_account_without_a_membership_sees_nothing(shops: tuple[Shop, Shop]) -> None:
    browser = sign_in(make_user())
    for model in MODELS:
        assert browser.get(url_of(model, "changelist")).status_code == 403, model


def test_strangers_are_sent_to_sign_in(shops: tuple[Shop, Shop]) -> None:
    for model in MODELS:
        answer = Client().get(url_of(model, "changelist"))
        assert answer.status_code == 302
        assert "/login/" in answer["Location"]


def test_the_record_of_changes_names_who_made_them(shops: tuple[Shop, Shop]) -> None:
    aster, _borage = shops
    browser = sign_in(aster.people["owner"])
    browser.post(url_of(Webhook, "delete", aster.webhook.pk), {"post": "yes"})
    assert LogEntry.objects.get().user == aster.people["owner"]
    aster.webhook.refresh_from_db()
    assert aster.webhook.deleted_at is not None
