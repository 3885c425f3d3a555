"""`manage.py create_merchant`: what it prints for people and for programs."""

from __future__ import annotations

import io
import json

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from subscriptions import selectors
from subscriptions.models import Merchant

pytestmark = pytest.mark.django_db

PASSWORD = "correct-horse-battery"


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("create_merchant", *words, stdout=out)
    return out.getvalue()


def test_programs_get_one_json_object():
    words = ("--domain", "shop.acme.example", "--password", PASSWORD, "--json")
    answer = json.loads(run("Acme", "--email", "ann@acme.example", *words))
    merchant = Merchant.objects.get()
    assert answer.keys() == {"merchant", "api_key", "username"}
    assert answer["merchant"] == merchant.public_id
    assert merchant.domain == "shop.acme.example"
    assert selectors.authenticate_key(answer["api_key"]).merchant == merchant
    assert authenticate(username=answer["username"], password=PASSWORD).is_staff


def test_a_made_up_password_is_told():
    answer = json.loads(run("Acme", "--email", "ann@acme.example", "--json"))
    assert authenticate(username=answer["username"], password=answer["password"]) is not None


def test_people_get_lines():
    lines = run("Acme", "--email", "ann@acme.example", "--password", PASSWORD).splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["merchant", "api_key", "username"]
    assert Merchant.objects.get().public_id in lines[0]
    assert "keep it now" in lines[-1]


def test_what_is_wrong_is_told_by_field_and_nothing_is_made():
    with pytest.raises(CommandError) as caught:
        run("Acme", "--email", "ann", "--domain", "https://acme.example")
    first, second = str(caught.value).splitlines()
    assert first.startswith("email: 'ann' is not an e-mail address.")
    assert second.startswith("domain: 'https://acme.example' is not a domain.")
    assert not Merchant.objects.exists()


def test_run_twice_it_makes_one_merchant_and_names_it():
    run("Acme", "--email", "ann@acme.example", "--password", PASSWORD)
    with pytest.raises(CommandError, match=Merchant.objects.get().public_id):
        run("Acme", "--email", "ann@acme.example", "--password", PASSWORD)
    assert Merchant.objects.count() == 1


@pytest.mark.parametrize("password", [(), ("--password", PASSWORD)], ids=["without", "with its password"])
@pytest.mark.parametrize("email", ["ann@acme.example", "ANN@acme.example"])
def test_an_account_that_exists_is_told_and_owns_the_merchant_only_with_the_flag(email: str, password: tuple[str, ...]):
    run("Acme", "--email", "ann@acme.example", "--password", PASSWORD)
    with pytest.raises(CommandError, match="has an account already") as caught:
        run("Bolt", "--email", email, *password)
    assert "--existing-account" in str(caught.value)
    assert Merchant.objects.count() == 1
    answer = json.loads(run("Bolt", "--email", email, *password, "--existing-account", "--json"))
    assert answer.keys() == {"merchant", "api_key", "username"}
    assert answer["username"] == "ann@acme.example"
