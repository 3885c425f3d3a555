"""Public ids that are computed from keys."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from deliveries.db import codes
from deliveries.models import Attempt, DeadLetter, Delivery
from deliveries.models import codes as model_codes
from tests.support.engine import answered, claim_one, due_one

KEY = b"a secret of the installation"
keys = st.integers(0, 2**64 - 1)


@given(keys)
def test_a_code_leads_back_to_its_key(number: int) -> None:
    code = codes.encode(KEY, "dlv", number)
    assert len(code) == len("dlv_") + codes.LENGTH
    assert codes.decode(KEY, "dlv", code) == number


@given(keys)
def test_another_kind_or_another_secret_reads_nothing_in_it(number: int) -> None:
    code = codes.encode(KEY, "dlv", number)
    assert codes.decode(KEY, "att", code) is None
    assert codes.decode(KEY, "att", code.replace("dlv", "att")) is None
    assert codes.decode(b"another", "dlv", code) is None


@given(keys, st.integers(0, codes.LENGTH - 1), st.sampled_from(codes.ALPHABET))
def test_a_code_with_one_wrong_character_is_no_code(number: int, place: int, character: str) -> None:
    code = codes.encode(KEY, "dlv", number)
    at = len("dlv_") + place
    changed = code[:at] + character + code[at + 1 :]
    assert codes.decode(KEY, "dlv", changed) == (number if changed == code else None) or character == code[at]


@given(st.text(max_size=30))
def test_any_other_text_is_no_code(text: str) -> None:
    assert codes.decode(KEY, "dlv", text) is None
    assert codes.decode(KEY, "dlv", f"dlv_{text}") is None


def test_codes_of_neighbours_share_nothing_and_are_pinned() -> None:
    """What was given to people stays valid: a change of the code would break every link and every stored id."""
    made = [codes.encode(KEY, "dlv", number) for number in range(1000)]
    assert len(set(made)) == 1000
    assert len({code[:8] for code in made}) > 990
    assert made[:2] == ["dlv_QSR5TQYZE6J6BCTF", "dlv_6KXA2KW07MSFXXT2"]


@pytest.mark.django_db
def test_the_database_is_asked_by_code_as_by_any_field() -> None:
    delivery, other = due_one(), due_one()
    code = delivery.public_id
    assert code == codes.encode(_code_key(), "dlv", delivery.pk)
    assert Delivery.objects.get(public_id=code) == delivery
    assert list(Delivery.objects.filter(public_id__in=[code, "dlv_wrong"])) == [delivery]
    assert list(Delivery.objects.order_by("pk").values_list("public_id", flat=True)) == [code, other.public_id]
    for wrong in ("", "dlv_", "dlv_0000000000000000", code.lower(), "evt_1", "-1", str(delivery.pk)):
        assert not Delivery.objects.filter(public_id=wrong).exists()
    assert not DeadLetter.objects.filter(delivery__public_id=code).exists()


@pytest.mark.django_db
def test_attempts_have_codes_of_their_own_kind() -> None:
    from deliveries.recording import outcomes

    delivery = due_one()
    outcomes.record([answered(claim_one(delivery))])
    attempt = Attempt.objects.get()
    assert attempt.public_id.startswith("att_")
    assert Attempt.objects.get(public_id=attempt.public_id) == attempt


@pytest.fixture
def own_key(settings: Any) -> Iterator[None]:
    """No key from the environment."""
    settings.WEBHOOKS_CODE_KEY = ""
    model_codes.code_key.cache_clear()
    yield
    model_codes.code_key.cache_clear()


@pytest.mark.django_db
@pytest.mark.usefixtures("own_key")
def test_an_installation_makes_its_key_once_when_it_is_migrated() -> None:
    model_codes.make_installation()
    first = model_codes.code_key()
    model_codes.make_installation()
    assert model_codes.code_key() == first
    assert len(model_codes.Installation.objects.get().code_key) == 64


@pytest.mark.django_db
@pytest.mark.usefixtures("own_key")
def test_a_rolled_back_transaction_leaves_nobody_with_a_key_of_its_own() -> None:
    model_codes.Installation.objects.all().delete()
    with pytest.raises(ImproperlyConfigured, match="migrate"), transaction.atomic():
        due_one().public_id  # noqa: B018
    model_codes.make_installation()
    stored = model_codes.Installation.objects.get().code_key
    assert model_codes.code_key() == hashlib.sha256(stored.encode()).digest()


def _code_key() -> bytes:
    from deliveries.models.codes import code_key

    return code_key()
