"""Promise 10: secrets stay secret, in the log too."""

import json
from dataclasses import replace

import pytest

from deliveries.sending.masking import MASKED, masked, without_echo
from deliveries.transport import Outcome, Request

SECRET = "whsec_s3cret/of+mine=="
CARRIED = (("X-Shopery-Secret", SECRET), ("Authorization", "Bearer t0ken-of-theirs"), ("X-Shop", "northern"))
REQUEST = Request("https://shop.example.com/", CARRIED, b"{}", 1.0, 1.0)
ANSWER = Outcome(status_code=200)


def test_a_value_that_holds_the_secret_is_masked_wherever_it_stands():
    assert masked([("X-Anything", "prefix-s3cret-of-mine")], ["s3cret-of-mine"]) == [("X-Anything", MASKED)]


def test_credentials_of_custom_headers_are_masked_by_name():
    names = ["Authorization", "cookie", "X-Api-Key", "X-Auth-Token", "apikey", "X-Shopery-Secret"]

    assert masked([(name, "value") for name in names], []) == [(name, MASKED) for name in names]


def test_signatures_and_ordinary_headers_stand_as_sent():
    headers = [("webhook-signature", "v1,abc="), ("webhook-id", "evt_1"), ("X-Shop", "north")]

    assert masked(headers, ["whsec_other"]) == headers


@pytest.mark.parametrize(
    "echo",
    [
        json.dumps({"headers": dict(CARRIED)}),
        json.dumps({"secret": SECRET}).replace("/", "\\/"),  # as PHP writes JSON
        f"your secret is {SECRET}{SECRET}, isn't it",
        "t0ken-of-theirs",
    ],
)
def test_what_a_receiver_echoes_of_our_secrets_is_masked(echo: str):
    echoed = replace(
        ANSWER, body=b"\xff" + echo.encode(), headers=(("X-Echo", SECRET), ("X-Other", "Bearer t0ken-of-theirs"))
    )
    shown = without_echo(echoed, REQUEST, [SECRET])
    for text in (shown.body.decode(errors="replace"), *dict(shown.headers).values()):
        assert "s3cret" not in text
        assert "t0ken" not in text
        assert MASKED in text
    assert shown.body.startswith(b"\xff")
    assert b"northern" in shown.body or "northern" not in echo


def test_a_secret_cut_off_by_the_end_of_what_is_kept_is_masked_too():
    for kept in range(6, len(SECRET)):
        cut = replace(ANSWER, body=b"echo: " + SECRET[:kept].encode(), body_truncated=True)
        assert without_echo(cut, REQUEST, [SECRET]).body == b"echo: " + MASKED.encode()


def test_other_answers_are_kept_byte_for_byte():
    answer = replace(ANSWER, body=bytes(range(256)), headers=(("X-Odd", "a\\x00b"),), body_truncated=True)
    assert without_echo(answer, REQUEST, [SECRET, "ab"]) is answer


@pytest.mark.parametrize("escapes", [{"=": "\\u003d"}, {"+": "\\u002B"}, {"=": "%3D", "+": "%2B", "/": "%2F"}])
def test_an_echo_is_masked_as_forms_and_careful_json_writers_spell_it(escapes: dict[str, str]) -> None:
    secret = "whsec_MfKQ+r8GKYqrTwjU/D8ILPZIo2LaLaSwMfKQ9r8GKYo="
    shown = "".join(escapes.get(character, character) for character in secret)
    outcome = Outcome(status_code=200, error=None, total_ms=1.0, body=f"secret: {shown};".encode())

    kept = without_echo(outcome, Request("https://shop.example.com", [], b"{}", 1.0, 1.0), [secret]).body.decode()

    assert kept.startswith(f"secret: {MASKED}")
    assert "MfKQ" not in kept
