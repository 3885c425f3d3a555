"""Signing in with a second factor: set up by the person, asked for everywhere, guessed at slowly."""

from __future__ import annotations

import re
from typing import Any

import pytest
import time_machine
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from subscriptions import encryption
from subscriptions.models import SecondFactor
from subscriptions.services import second_factors
from subscriptions.services.second_factors import STEP, _totp, new_key
from tests.support.factories import make_member, make_merchant

pytestmark = pytest.mark.django_db

PASSWORD = "a good password"
NOW = 1_800_000_000
LOGIN, CODE, ACCOUNT = "/admin/login/", "/admin/login/code/", "/admin/account/"


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def ann() -> User:
    user = make_member(make_merchant("aster"), "owner", username="ann@shop.example")
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def key() -> str:
    return new_key()


@pytest.fixture
def codes(ann: User, key: str) -> list[str]:
    return second_factors.turn_on(user=ann, key=key, code=code_of(key))


def code_of(key: str, later: int = 0) -> str:
    return _totp(key).generate(NOW + later).decode()


def first_step(browser: Client, **more: str) -> Any:
    return browser.post(LOGIN, {"username": "ann@shop.example", "password": PASSWORD, **more})


def is_in(browser: Client) -> bool:
    return browser.get("/admin/").status_code == 200


# --- signing in ------------------------------------------------------------------------------------------------------


def test_the_password_alone_opens_nothing(codes: list[str], client: Client) -> None:
    assert first_step(client).headers["Location"] == CODE
    assert "_auth_user_id" not in client.session
    assert not is_in(client)


def test_the_code_leads_to_the_page_that_was_asked_for(
    ann: User, key: str, codes: list[str], client: Client, clock: Any
) -> None:
    first_step(client, next="/admin/webhooks_deliveries/delivery/")
    clock.shift(STEP)
    answer = client.post(CODE, {"code": code_of(key, STEP)})
    assert answer.headers["Location"] == "/admin/webhooks_deliveries/delivery/"
    assert is_in(client)


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_no_sign_in_leads_to_another_host(target: str, key: str, codes: list[str], client: Client, clock: Any) -> None:
    first_step(client, next=target)
    clock.shift(STEP)
    assert client.post(CODE, {"code": code_of(key, STEP)}).headers["Location"] == "/admin/"


@pytest.mark.parametrize("shift", [-2 * STEP, 3 * STEP])
def test_a_code_of_another_time_is_refused(shift: int, key: str, codes: list[str], client: Client, clock: Any) -> None:
    first_step(client)
    assert client.post(CODE, {"code": code_of(key, shift)}).status_code == 200
    assert not is_in(client)


@pytest.mark.parametrize("guess", ["", "000000", "12345", "½", "١٢٣٤٥٦", "a" * 5000, "\x00"])
def test_what_is_no_code_is_refused(guess: str, codes: list[str], client: Client) -> None:
    first_step(client)
    assert second_factors.WRONG in client.post(CODE, {"code": guess}).content.decode()


def test_a_code_is_taken_once(key: str, codes: list[str], client: Client, clock: Any) -> None:
    clock.shift(STEP)
    for is_right in (True, False):
        browser = Client()
        first_step(browser)
        browser.post(CODE, {"code": code_of(key, STEP)})
        assert is_in(browser) is is_right


def test_a_recovery_code_signs_in_once_however_it_is_typed(codes: list[str]) -> None:
    for is_right in (True, False):
        browser = Client()
        first_step(browser)
        browser.post(CODE, {"code": codes[3].upper().replace("-", " ")})
        assert is_in(browser) is is_right


def test_guesses_are_slowed_with_those_at_the_password(
    key: str, codes: list[str], settings: Any, client: Client, clock: Any
) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 3
    first_step(client)
    answers = [client.post(CODE, {"code": f"{n:06}"}).status_code for n in range(4)]
    assert answers == [200, 200, 429, 429], "the password's attempt counts until the code is right"
    clock.shift(STEP)
    assert client.post(CODE, {"code": code_of(key, STEP)}).status_code == 429  # not even looked at
    assert first_step(Client()).status_code == 429


def test_a_known_password_pays_for_no_guess_at_codes(codes: list[str], settings: Any, client: Client) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 6
    looked_at = 0
    for number in range(12):
        first_step(client)
        looked_at += client.post(CODE, {"code": f"{number:06}"}).status_code == 200
    assert looked_at == 3


def test_signing_in_with_a_code_again_and_again_is_not_refused(
    key: str, codes: list[str], settings: Any, clock: Any
) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 3
    for number in range(1, 8):
        browser = Client()
        first_step(browser)
        clock.shift(STEP)
        assert browser.post(CODE, {"code": code_of(key, STEP * number)}).status_code == 302, number


def test_the_second_step_ends_after_minutes_and_with_another_password(
    ann: User, key: str, codes: list[str], client: Client, clock: Any
) -> None:
    first_step(client)
    clock.shift(400)
    assert client.post(CODE, {"code": code_of(key, 400)}).headers["Location"] == LOGIN
    first_step(client)
    ann.set_password("quite another one")
    ann.save()
    assert client.get(CODE).headers["Location"] == LOGIN


def test_the_second_step_needs_the_first(codes: list[str], client: Client) -> None:
    assert client.get(CODE).headers["Location"] == LOGIN


def test_the_api_asks_for_the_code_too(key: str, codes: list[str], clock: Any) -> None:
    body = {"username": "ann@shop.example", "password": PASSWORD}
    clock.shift(STEP)

    def ask(**more: str) -> Any:
        return Client().post("/api/v1/token", {**body, **more}, content_type="application/json")

    assert ask().status_code == ask(code="000000").status_code == 401
    assert "second factor" in ask().json()["errors"][0]["detail"]
    assert ask(code=code_of(key, STEP)).status_code == 200


# --- one's own account ------------------------------------------------------------------------------------------------


@pytest.fixture
def browser(ann: User) -> Client:
    made = Client()
    made.force_login(ann)
    return made


def shown_key(browser: Client) -> str:
    found = re.search(r'<code id="key">([A-Z2-7 ]+)</code>', browser.get(ACCOUNT).content.decode())
    assert found
    return found[1].replace(" ", "")


def test_it_is_set_up_with_the_key_that_is_shown_and_recovery_codes_are_shown_once(ann: User, browser: Client) -> None:
    key = shown_key(browser)
    assert "data:image/svg+xml;base64," in browser.get(ACCOUNT).content.decode()
    answer = browser.post(ACCOUNT, {"do": "turn_on", "code": code_of(key)})
    codes = browser.get(answer.headers["Location"]).context["secrets"]["Recovery codes"].split("\n")
    assert len(set(codes)) == 10
    assert codes[0] not in browser.get(answer.headers["Location"]).content.decode()
    assert second_factors.check(user=ann, code=codes[0])


def test_nothing_is_set_up_by_a_wrong_code(ann: User, browser: Client) -> None:
    shown_key(browser)
    assert "This code is not right." in browser.post(ACCOUNT, {"do": "turn_on", "code": "000000"}).content.decode()
    assert not second_factors.is_needed(ann)


def test_another_key_is_shown_once_the_old_ones_encryption_is_gone(ann: User, browser: Client, settings: Any) -> None:
    lost = shown_key(browser)
    settings.WEBHOOKS_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    answer = browser.post(ACCOUNT, {"do": "turn_on", "code": code_of(lost)})
    assert "This code is not right." in answer.content.decode()
    key = shown_key(browser)
    assert key != lost
    browser.post(ACCOUNT, {"do": "turn_on", "code": code_of(key)})
    assert second_factors.is_needed(ann)


@pytest.mark.parametrize("do", ["turn_off", "renew"])
def test_a_desk_that_was_left_open_turns_nothing_off(do: str, ann: User, codes: list[str], browser: Client) -> None:
    assert second_factors.WRONG in browser.post(ACCOUNT, {"do": do, "code": "000000"}).content.decode()
    assert second_factors.is_needed(ann)
    assert browser.post(ACCOUNT, {"do": do, "code": codes[0]}).status_code == 302
    assert second_factors.is_needed(ann) is (do == "renew")
    assert not second_factors.check(user=ann, code=codes[1])


def test_key_and_codes_are_not_in_the_database_in_clear(
    ann: User, key: str, codes: list[str], django_assert_num_queries: Any
) -> None:
    [row] = SecondFactor.objects.extra(select={"raw": "key"}).values("raw", "recovery_digests")
    assert key not in row["raw"]
    assert encryption.decrypt(row["raw"]) == key
    assert not any(code.replace("-", "") in str(row["recovery_digests"]) for code in codes)


# --- where the operator asks for it -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "is_staff", "is_led_away"),
    [("nobody", True, False), ("staff", False, False), ("staff", True, True), ("everyone", False, True)],
)
def test_whom_the_operator_asks_must_set_it_up_first(
    rule: str, is_staff: bool, is_led_away: bool, ann: User, browser: Client, settings: Any
) -> None:
    settings.WEBHOOKS_REQUIRE_TWO_FACTOR = rule
    User.objects.filter(pk=ann.pk).update(is_superuser=is_staff)
    assert is_in(browser) is not is_led_away
    if is_led_away:
        assert browser.get("/admin/").headers["Location"] == ACCOUNT
        browser.post(ACCOUNT, {"do": "turn_on", "code": code_of(shown_key(browser))})
        assert is_in(browser)
        assert "Turn off" not in browser.get(ACCOUNT).content.decode()
        SecondFactor.objects.update(recovery_digests=[second_factors._digest("my-code")])
        browser.post(ACCOUNT, {"do": "turn_off", "code": "my-code"})
        assert second_factors.is_needed(ann)


def test_a_token_is_not_given_before_it_is_set_up(ann: User, settings: Any) -> None:
    settings.WEBHOOKS_REQUIRE_TWO_FACTOR = "everyone"
    body = {"username": "ann@shop.example", "password": PASSWORD}
    assert Client().post("/api/v1/token", body, content_type="application/json").status_code == 401


def test_who_lost_everything_is_let_in_by_the_operator(ann: User, codes: list[str], capsys: Any) -> None:
    call_command("turn_off_two_factor", "ann@shop.example")
    assert "is off" in capsys.readouterr().out
    assert not second_factors.is_needed(ann)
    with pytest.raises(CommandError, match="no account"):
        call_command("turn_off_two_factor", "bea@shop.example")
