"""A forgotten password: the mail, its link, and that nobody learns who has an account."""

from __future__ import annotations

import re
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.utils import timezone

from subscriptions import password_mail
from subscriptions.models import PasswordReset
from tests.support.factories import make_member, make_merchant

pytestmark = pytest.mark.django_db

ADDRESS = "ann@shop.example"
PAGE = "/admin/password_reset/"


@pytest.fixture(autouse=True)
def ann() -> User:
    return make_member(make_merchant("aster"), "owner", username=ADDRESS, email=ADDRESS)


def ask(client: Client, email: str = ADDRESS) -> Any:
    return client.post(PAGE, {"email": email}, follow=True)


def link() -> str:
    assert password_mail.send_due() == 1
    found = re.search(r"http://localhost:8000(/\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def test_the_page_to_sign_in_leads_there(client: Client) -> None:
    assert f'href="{PAGE}"' in client.get("/admin/login/").content.decode()


def test_another_password_is_chosen_by_the_mailed_link_once(ann: User, client: Client) -> None:
    ask(client)
    path = link()
    assert mail.outbox[-1].to == [ADDRESS]
    form = client.get(path).headers["Location"]
    words = {"new_password1": "horse staple 99", "new_password2": "horse staple 99"}
    assert client.post(form, words).headers["Location"] == "/admin/login/"
    ann.refresh_from_db()
    assert ann.check_password("horse staple 99")
    assert "This link was used" in Client().get(path, follow=True).content.decode()


def test_nobody_learns_whether_an_address_has_an_account(client: Client) -> None:
    answers = [ask(client, address).content.decode() for address in (ADDRESS, "nobody@shop.example")]
    plain = [re.sub(r'(csrf\w*" value="|nonce=")[^"]*', "", each) for each in answers]
    assert plain[0] == plain[1]
    assert PasswordReset.objects.count() == 2
    assert password_mail.send_due() == 1
    assert not PasswordReset.objects.exists()


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "!"}, {"email": "other@shop.example"}])
def test_no_mail_opens_what_is_closed_has_no_password_or_reads_mail_elsewhere(
    change: dict[str, Any], ann: User, client: Client
) -> None:
    User.objects.filter(pk=ann.pk).update(**change)
    ask(client)
    assert password_mail.send_due() == 0
    assert mail.outbox == []


def test_one_address_gets_few_mails(client: Client) -> None:
    for _ in range(5):
        ask(client)
        password_mail.send_due()
    assert len(mail.outbox) == 1


def test_one_place_asks_for_few_addresses_and_is_told(client: Client) -> None:
    answers = [ask(client, f"invented-{number}@shop.example") for number in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 6 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert "Ask again in" in answers[-1].content.decode()
    assert PasswordReset.objects.count() == 6
    assert ask(Client(REMOTE_ADDR="192.0.2.7")).status_code == 200
    assert PasswordReset.objects.filter(email=ADDRESS).exists()


@pytest.mark.parametrize(
    "email", ["\u0131nfo@shop.example", "\u017f@shop.example", "ann@sh\u00f6p.example", "\u212a@x.example"]
)
def test_an_address_with_letters_that_pass_for_others_is_refused_on_the_page(email: str, client: Client) -> None:
    answer = ask(client, email)
    assert answer.status_code == 200
    assert "plain letters only" in answer.content.decode()
    assert not PasswordReset.objects.exists()


def test_a_link_is_good_for_an_hour(client: Client) -> None:
    ask(client)
    path = link()
    with time_machine.travel(timezone.now() + timezone.timedelta(minutes=61)):
        assert "too old" in Client().get(path, follow=True).content.decode()


def test_a_failure_of_the_mail_server_costs_minutes(
    ann: User, client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(client)
    with monkeypatch.context() as patched:
        patched.setattr("django.core.mail.EmailMessage.send", _refuse)
        assert password_mail.send_due() == 0
    assert password_mail.send_due() == 0
    PasswordReset.objects.update(mail_at=timezone.now())
    assert password_mail.send_due() == 1


def test_what_the_mail_server_refuses_for_good_is_given_up_after_an_hour(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.core.mail.EmailMessage.send", _refuse)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        ask(client)
        for _ in range(12):
            password_mail.send_due()
            assert PasswordReset.objects.exists()
            clock.shift(password_mail.LEASE)
        clock.shift(1)
        password_mail.send_due()
    assert not PasswordReset.objects.exists()


def _refuse(_self: Any) -> None:
    raise OSError("refused")
