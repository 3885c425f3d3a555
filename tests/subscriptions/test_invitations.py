"""Invitations: nobody becomes a member, or an account's owner, but who reads mail at the address and says so."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from deliveries.worker import periodic_tasks
from subscriptions import invitation_mail, services
from subscriptions.models import Invitation, Membership
from subscriptions.services import invitations
from tests.support.desk import Shop, make_shop, sign_in
from tests.support.factories import make_user

pytestmark = pytest.mark.django_db

INVITATIONS, MEMBERS = "/admin/webhooks_subscriptions/invitation/", "/admin/webhooks_subscriptions/membership/"
ADDRESS = "new@mail.example"
PASSWORD = "correct-horse-battery"


@pytest.fixture
def shop() -> Shop:
    return make_shop("aster")


@pytest.fixture
def owner(shop: Shop) -> Client:
    return sign_in(shop.people["owner"])


def invite(owner: Client, shop: Shop, email: str = ADDRESS, role: str = "developer") -> Any:
    return owner.post(f"{INVITATIONS}add/", {"merchant": shop.merchant.pk, "email": email, "role": role})


def mailed_link() -> str:
    """Mail what is due, and return the path of the last mail's link."""
    assert invitation_mail.send_due() == 1
    found = re.search(r"https?://[^/\s]+(/\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def choose(link: str, password: str = PASSWORD, browser: Client | None = None) -> HttpResponse:
    return (browser or Client()).post(link, {"password": password})


def sign_in_and_accept(link: str, name: str, password: str) -> HttpResponse:
    browser = Client()
    answer = browser.post(f"/admin/login/?next={link}", {"username": name, "password": password, "next": link})
    assert answer.headers["Location"] == link
    return browser.post(link, {"accept": "1"}, follow=True)


def test_the_invited_person_chooses_a_password_signs_in_and_accepts(shop: Shop, owner: Client) -> None:
    invite(owner, shop, "New@Mail.example", "viewer")
    assert not User.objects.filter(email__iexact=ADDRESS).exists()
    link = mailed_link()
    assert mail.outbox[-1].to == [ADDRESS]
    assert choose(link).headers["Location"].startswith("/admin/login/?next=")
    assert not shop.merchant.memberships.filter(user__username=ADDRESS).exists()
    page = sign_in_and_accept(link, ADDRESS, PASSWORD)
    assert page.status_code == 200
    assert shop.merchant.memberships.get(user__username=ADDRESS).role == "viewer"


def test_the_inviting_owner_sees_neither_password_nor_link(shop: Shop, owner: Client) -> None:
    answer = invite(owner, shop)
    pages = [owner.get(path) for path in (answer["Location"], INVITATIONS, MEMBERS)]
    pages.append(owner.get(f"{INVITATIONS}{Invitation.objects.get().pk}/change/"))
    token = Invitation.objects.get().token
    assert all(token not in page.content.decode() and "/invitations/" not in page.content.decode() for page in pages)
    assert len(token) >= 40


def test_the_link_is_stored_as_a_hash_and_readable_only_until_it_is_mailed(shop: Shop, owner: Client) -> None:
    invite(owner, shop)
    with connection.cursor() as cursor:
        cursor.execute("SELECT token, digest FROM webhooks_subscriptions_invitation")
        [(stored, digest)] = cursor.fetchall()
    token = Invitation.objects.get().token
    assert token not in stored + digest
    mailed_link()
    assert Invitation.objects.get().token == ""
    assert invitation_mail.send_due() == 0


def test_without_mail_set_up_the_link_is_printed_for_the_operator(
    shop: Shop, owner: Client, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    invite(owner, shop)
    periodic_tasks.tell()
    assert re.search(r"http://localhost:8000/invitations/\S{40,}/", capsys.readouterr().out)


def test_a_mail_server_that_refuses_is_asked_again(shop: Shop, owner: Client, settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_PORT = "django.core.mail.backends.smtp.EmailBackend", 1
    settings.EMAIL_HOST = "127.0.0.1"
    invite(owner, shop)
    assert invitation_mail.send_due() == 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert invitation_mail.send_due() == 0  # not at once
    Invitation.objects.update(mail_at=timezone.now())
    assert mailed_link()


# --- nothing tells whether an address has an account ----------------------------------------------------------------

KINDS = {
    "none": {},
    "an account": {"username": ADDRESS},
    "an account under another name": {"username": "ann", "email": "NEW@mail.example"},
    "a closed account": {"username": ADDRESS, "is_active": False},
    "staff of the platform": {"username": ADDRESS, "is_superuser": True},
    "an account without the admin": {"username": ADDRESS, "is_staff": False},
}


def traces(answer: Any) -> tuple[int, str, str]:
    """What an answer tells, without what differs each time."""
    body = re.sub(r"<script.*?</script>|<[^>]+>|\s+", " ", answer.content.decode(), flags=re.DOTALL)
    text = re.sub(r"\d{4}-\d\d-\d\d|\d\d:\d\d(:\d\d)?|\s+", " ", body)
    return answer.status_code, re.sub(r"invitations(/|%2F)[^/%]+", "", answer.headers.get("Location", "")), text


@pytest.mark.parametrize("columns", KINDS.values(), ids=KINDS.keys())
def test_no_answer_tells_whether_an_address_has_an_account(columns: dict[str, Any], shop: Shop, owner: Client) -> None:
    def seen(address: str) -> list[tuple[int, str, str]]:
        answers = [invite(owner, shop, address), owner.get(INVITATIONS), owner.get(MEMBERS)]
        link = mailed_link()
        answers += [Client().get(link), choose(link, "short"), choose(link, ""), choose(link), Client().get(link)]
        answers.append(invite(owner, shop, address))
        answers.append(owner.get(INVITATIONS))
        Invitation.objects.all().delete()
        return [traces(answer) for answer in answers]

    bare = seen("ned@mail.example")
    if columns:
        make_user(**columns)
    assert seen(ADDRESS) == [(status, at, text.replace("ned@", "new@")) for status, at, text in bare]


@pytest.mark.parametrize("columns", list(KINDS.values())[1:], ids=list(KINDS)[1:])
def test_a_link_changes_nothing_of_an_account_that_is_there(columns: dict[str, Any], shop: Shop, owner: Client) -> None:
    person = make_user(**columns)
    before = User.objects.filter(pk=person.pk).values().get()
    invite(owner, shop)
    choose(mailed_link())
    assert User.objects.filter(pk=person.pk).values().get() == before
    assert User.objects.filter(email__iexact=ADDRESS).count() == 1
    assert not Membership.objects.filter(user=person).exists()


@pytest.mark.parametrize("is_known", [False, True], ids=["no account", "an account"])
def test_both_hash_a_password_once(is_known: bool, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that an answer takes would tell, else."""
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    if is_known:
        make_user(username=ADDRESS)
    invitation, _token = services.invite(merchant=shop.merchant, email=ADDRESS, role="viewer")
    hashed: list[str] = []
    encode = PBKDF2PasswordHasher.encode
    monkeypatch.setattr(
        PBKDF2PasswordHasher, "encode", lambda self, *words: hashed.append(words[0]) or encode(self, *words)
    )
    services.choose_password(invitation=invitation, password=PASSWORD)
    assert hashed == [PASSWORD]


# --- consent --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [KINDS["an account"], KINDS["an account under another name"]], ids=str)
def test_an_account_joins_when_it_is_signed_in_and_accepts(columns: dict[str, Any], shop: Shop, owner: Client) -> None:
    person = make_user(**columns)
    invite(owner, shop, role="viewer")
    link = mailed_link()
    browser = sign_in(person)
    assert "Accept as" in browser.get(link).content.decode()
    assert not Membership.objects.filter(user=person).exists()
    browser.post(link, {"accept": "1"})
    assert shop.merchant.memberships.get(user=person).role == "viewer"
    assert browser.get(link).status_code == browser.post(link).status_code == 404


def test_another_account_cannot_accept(shop: Shop, owner: Client) -> None:
    invite(owner, shop)
    link = mailed_link()
    other = make_user()
    for browser in (sign_in(other), owner, sign_in(make_user(is_superuser=True))):
        assert "Accept as" not in browser.get(link).content.decode()
        assert "is for new@mail.example" in browser.post(link, {"accept": "1", "password": PASSWORD}).content.decode()
    assert not Membership.objects.filter(user=other).exists()
    assert not User.objects.filter(username=ADDRESS).exists()


def spoil_used(link: str) -> None:
    choose(link)
    sign_in_and_accept(link, ADDRESS, PASSWORD)


def spoil_expired(_link: str) -> None:
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def spoil_withdrawn(_link: str) -> None:
    services.withdraw_invitation(invitation=Invitation.objects.get())


def spoil_replaced(_link: str) -> None:
    services.invite(merchant=Invitation.objects.get().merchant, email=ADDRESS.upper(), role="owner")


def spoil_inactive(_link: str) -> None:
    merchant = Invitation.objects.get().merchant
    merchant.is_active = False
    merchant.save()


@pytest.mark.parametrize("spoil", [spoil_used, spoil_expired, spoil_withdrawn, spoil_replaced, spoil_inactive])
def test_a_link_works_once_and_for_a_while(spoil: Any, shop: Shop, owner: Client) -> None:
    invite(owner, shop)
    link = mailed_link()
    spoil(link)
    members = Membership.objects.count()
    wrong = Client().get("/invitations/wrong/")
    for answer in (Client().get(link), choose(link), sign_in(make_user(email=ADDRESS)).post(link, {"accept": "1"})):
        assert (answer.status_code, answer.content) == (404, wrong.content)
    assert Membership.objects.count() == members


def test_expired_invitations_are_deleted(shop: Shop) -> None:
    services.invite(merchant=shop.merchant, email=ADDRESS, role="viewer")
    periodic_tasks.clear_sessions()
    assert Invitation.objects.count() == 1
    spoil_expired("")
    periodic_tasks.clear_sessions()
    assert Invitation.objects.count() == 0


# --- who invites, and how many --------------------------------------------------------------------------------------


def test_a_member_is_not_invited_twice(shop: Shop, owner: Client) -> None:
    answer = invite(owner, shop, shop.people["viewer"].email, "owner")
    assert "is a member already" in str(answer.context["adminform"].form.errors)
    assert shop.merchant.memberships.get(user=shop.people["viewer"]).role == "viewer"


def test_an_owner_cannot_invite_to_another_merchant(shop: Shop, owner: Client) -> None:
    other = make_shop("borage")
    answer = owner.post(f"{INVITATIONS}add/", {"merchant": other.merchant.pk, "email": ADDRESS, "role": "owner"})
    assert answer.context["adminform"].form.errors["merchant"]
    assert not other.merchant.invitations.exists()


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_only_owners_invite_and_see_invitations(role: str, shop: Shop) -> None:
    browser = sign_in(shop.people[role])
    for path in (INVITATIONS, f"{INVITATIONS}add/"):
        assert browser.get(path).status_code == 403
    assert browser.post(f"{INVITATIONS}add/", {"merchant": shop.merchant.pk, "email": ADDRESS}).status_code == 403
    assert browser.get(MEMBERS).status_code == 200


def test_adding_a_member_leads_to_the_invitation(owner: Client) -> None:
    assert owner.get(f"{MEMBERS}add/")["Location"] == f"{INVITATIONS}add/"


def test_an_owner_withdraws_an_invitation(shop: Shop, owner: Client) -> None:
    invite(owner, shop)
    owner.post(f"{INVITATIONS}{Invitation.objects.get().pk}/delete/", {"post": "yes"})
    assert not Invitation.objects.exists()


@pytest.mark.parametrize("limit", ["INVITATIONS_MAX", "RATES"])
def test_invitations_are_bounded(limit: str, shop: Shop, owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, limit, 2 if limit == "INVITATIONS_MAX" else invitations.limits.Rates(2, 2))
    for number in range(4):
        invite(owner, shop, f"person{number}@mail.example")
    assert shop.merchant.invitations.count() == 2


@pytest.mark.parametrize("email", ["", "ann", "a b@mail.example", "x" * 150 + "@mail.example", "ann@mail.example\x00"])
def test_what_is_no_address_is_refused_beside_the_field(email: str, shop: Shop, owner: Client) -> None:
    assert invite(owner, shop, email).context["adminform"].form.errors["email"]
    assert not Invitation.objects.exists()
