"""Whose mails go first when there are many, or the mail server is slow: merchants take turns, runs end in time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from deliveries.models import Notice, NoticePreference
from deliveries.notifications import mail
from deliveries.worker import periodic_tasks
from subscriptions import invitation_mail, password_mail
from subscriptions.models import PasswordReset, Webhook
from subscriptions.services import invitations
from tests.support.factories import make_member, make_merchant, make_webhook
from tests.support.mails import addresses, happen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("notices_at_once")]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let a module's clock go on by so many seconds each time it is read."""

    def start(module: Any, seconds: int) -> None:
        clock = iter(range(0, 1000, seconds))
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock)))

    return start


def crowded() -> tuple[Webhook, Webhook]:
    """Return a webhook of a merchant with five recipients, and one of a merchant with one, whose notice is newer."""
    crowd = make_webhook(make_merchant(email="crowd@shop.example"))
    other = make_webhook(make_merchant(email="one@x.example"))
    for _ in range(4):
        NoticePreference.objects.create(merchant=crowd.merchant, user=make_member(crowd.merchant))
    happen(crowd)
    happen(other)
    return crowd, other


def test_merchants_take_turns_a_mail_each():
    crowded()
    assert mail.send_due() == 6
    assert addresses().index("one@x.example") <= 1
    assert not Notice.objects.filter(sent_at=None).exists()


def test_a_run_that_takes_too_long_gives_back_the_rest_and_the_next_goes_on_with_nobody_told_twice(slow):
    crowd, _ = crowded()
    slow(mail, 4)
    assert mail.send_due() == 2, "at 4 and 8 of 10 seconds"
    left = Notice.objects.get(webhook=crowd)
    assert (left.sent_at, left.lease_until, left.tries) == (None, None, 0)
    happen(make_webhook(make_merchant(email="new@x.example")))
    mail.send_due()
    assert addresses()[2] == "new@x.example", "those who come new stand before somebody's further recipients"
    for _ in range(3):
        mail.send_due()
    assert len(addresses()) == len(set(addresses())) == 7
    assert not Notice.objects.filter(sent_at=None).exists()


def test_a_merchants_many_notices_do_not_fill_a_run(monkeypatch):
    monkeypatch.setattr(mail, "BATCH", 2)
    merchant = make_merchant(email="many@shop.example")
    for _ in range(3):
        happen(make_webhook(merchant))
    happen(make_webhook(make_merchant(email="one@x.example")))
    mail.send_due()
    assert sorted(addresses()) == ["many@shop.example", "one@x.example"]


def test_what_was_refused_before_a_run_ended_waits_and_costs_no_other_merchant(refusing, slow):
    crowd, _ = crowded()
    refusing.refused = ["crowd@shop.example"]
    slow(mail, 4)
    assert mail.send_due() == 1
    assert addresses() == ["one@x.example"]
    left = Notice.objects.get(webhook=crowd)
    assert left.tries == 1
    assert left.lease_until is not None
    assert "450" in left.error


def test_a_recipient_whose_refusal_takes_a_whole_run_costs_the_merchants_others_one_try(refusing, slow):
    crowd, _ = crowded()
    Notice.objects.exclude(webhook=crowd).delete()
    refusing.refused = ["crowd@shop.example"]
    slow(mail, 6)
    assert mail.send_due() == 0, "one mail a run, which is refused"
    Notice.objects.update(lease_until=None)
    assert mail.send_due() == 1


def test_links_that_somebody_waits_for_are_mailed_before_notices(monkeypatch):
    order: list[str] = []
    for module in (mail, invitation_mail, password_mail):
        monkeypatch.setattr(module, "send_due", lambda name=module.__name__: order.append(name) or 0)
    periodic_tasks.tell()
    assert order == ["subscriptions.password_mail", "subscriptions.invitation_mail", "deliveries.notifications.mail"]


@pytest.mark.parametrize("module", [invitation_mail, password_mail])
def test_a_slow_mail_server_has_links_for_some_seconds_and_the_rest_in_the_next_run(module, slow):
    merchant = make_merchant()
    people = [make_member(merchant, "owner") for _ in range(3)]
    for person in people:
        if module is password_mail:
            person.set_password("horse staple 99")
            person.save()
            PasswordReset.objects.create(email=person.email, mail_at=timezone.now())
        else:
            invitations.invite(merchant=merchant, email=f"new-{person.email}", role="viewer", invited_by=people[0])
    slow(module, 4)
    assert module.send_due() == 2, "at 4 and 8 of 10 seconds"
    assert module.send_due() == 1
    assert len(set(addresses())) == 3
