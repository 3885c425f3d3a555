"""What a form offers and takes: only rows of the merchant whose row it changes, also for people with several."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User

from deliveries.models import DeadLetter, NoticePreference
from tests.subscriptions.admin.test_scoping import OWN, browser_request, row_of, shops, url_of
from tests.support.desk import Shop, sign_in
from tests.support.factories import make_user

pytestmark = pytest.mark.django_db

__all__ = ["shops"]  # a fixture


@pytest.fixture
def person_of_both(shops: tuple[Shop, Shop]) -> Any:
    """Somebody who owns both shops, and so may see the rows of either."""
    person = make_user(username="both@mail.example")
    for shop in shops:
        shop.merchant.memberships.create(user=person, role="owner")
    return person


def merchants_of(row: Any) -> set[int]:
    """Return the merchants (primary keys) that a row belongs to; none for what all share."""
    if isinstance(row, User):
        return set(row.memberships.values_list("merchant_id", flat=True))
    model_admin = admin.site._registry[type(row)]
    return set() if model_admin.merchant_path is None else {model_admin.merchant_key(row)}


def choices_of(model: Any, request: Any, row: Any) -> dict[str, Any]:
    """Return field → rows on offer, of the form that changes `row`, or adds one."""
    form = admin.site._registry[model].get_form(request, row, change=row is not None)
    return {name: field.queryset for name, field in form.base_fields.items() if hasattr(field, "queryset")}


@pytest.mark.parametrize("model", OWN, ids=lambda model: model._meta.label)
def test_a_form_offers_only_rows_of_the_merchant_whose_row_it_changes(
    model: Any, shops: tuple[Shop, Shop], person_of_both: Any
) -> None:
    aster, borage = shops
    staff, row = make_user(username="staff", is_superuser=True), row_of(aster, model)
    for person in (person_of_both, staff):
        for name, choices in choices_of(model, browser_request(person), row).items():
            for chosen in choices:
                assert chosen == staff or aster.merchant.pk in merchants_of(chosen) or not merchants_of(chosen), name
                assert chosen not in (borage.merchant, *borage.people.values())
    request = browser_request(aster.people["owner"])
    may_add = admin.site._registry[model].has_add_permission(request)
    for name, choices in choices_of(model, request, None).items() if may_add else ():
        for chosen in choices:
            assert merchants_of(chosen) <= {aster.merchant.pk, borage.merchant.pk}, name
            assert chosen not in (borage.merchant, *borage.people.values())


def test_a_dead_letter_is_assigned_to_no_member_of_another_merchant(
    shops: tuple[Shop, Shop], person_of_both: Any
) -> None:
    aster, borage = shops
    staff = make_user(username="staff", is_superuser=True)
    address, letter = url_of(DeadLetter, "change", aster.dead_letter.pk), aster.dead_letter
    for person in (person_of_both, staff):
        for chosen in borage.people.values():
            answer = sign_in(person).post(address, {"assignee": chosen.pk, "note": "x"})
            assert answer.context["adminform"].form.errors["assignee"]
    letter.refresh_from_db()
    assert (letter.assignee, letter.note) == (None, "")
    for person, chosen in ((person_of_both, aster.people["viewer"]), (staff, staff)):
        sign_in(person).post(address, {"assignee": chosen.pk, "note": ""})
        letter.refresh_from_db()
        assert letter.assignee == chosen
    DeadLetter.objects.update(assignee=borage.people["owner"])  # as they were a member once
    sign_in(person_of_both).post(address, {"assignee": borage.people["owner"].pk, "note": "stays"})
    letter.refresh_from_db()
    assert (letter.assignee, letter.note) == (borage.people["owner"], "stays")


def test_nobody_is_told_of_a_merchant_that_they_are_no_member_of(shops: tuple[Shop, Shop], person_of_both: Any) -> None:
    aster, borage = shops
    address = url_of(NoticePreference, "add")
    for person in (person_of_both, make_user(is_superuser=True)):
        browser = sign_in(person)
        wrong = {"merchant": aster.merchant.pk, "user": borage.people["viewer"].pk, "dead": "on"}
        assert browser.post(address, wrong).context["adminform"].form.errors["user"]
        role = "viewer" if person == person_of_both else "developer"
        browser.post(address, wrong | {"user": aster.people[role].pk})
        assert NoticePreference.objects.filter(merchant=aster.merchant, user=aster.people[role]).exists()
