"""Custom headers are added to ours, never put in their place."""

import pytest

from deliveries.dialects import check_custom_headers, get, merge_headers
from deliveries.dialects.headers import is_reserved
from deliveries.transport.outcome import MANAGED_HEADERS, Request
from tests.support.receivers.samples import message

ENCODED = get("alva").encode(message(), ["twelve chars"])


def test_custom_headers_follow_ours() -> None:
    custom = {"Authorization": "Basic dTpw", "X-Shop": "Gr\xfc\xdfe", "X-Empty": ""}
    check_custom_headers(custom)
    assert merge_headers(ENCODED, custom) == (*ENCODED.headers, *custom.items())


@pytest.mark.parametrize(
    "name",
    [
        "HOST",
        "content-length",
        "Content-Type",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Proxy-Connection",
        "Expect",
        "user-agent",
        "Webhook-Signature",
        "WEBHOOK-ID",
        "webhook-anything",
        "x-alva-hmac-sha256",
        "X-Litestore-Signature",
        "X-Shopery-Secret",
    ],
)
def test_a_custom_header_cannot_take_the_place_of_ours(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is set by the delivery itself"):
        check_custom_headers({name: "mine"})
    assert merge_headers(ENCODED, {name: "mine", "X-Other": "1"}) == (*ENCODED.headers, ("X-Other", "1"))


def test_what_the_transport_manages_is_reserved() -> None:
    assert [name for name in MANAGED_HEADERS if not is_reserved(name)] == []


def test_the_transport_takes_what_was_merged() -> None:
    headers = merge_headers(ENCODED, {"X-One": "1", "x-one": "2", "Host": "elsewhere"})
    request = Request("https://example.com/", headers, ENCODED.body, 3, 10)
    assert ("X-One", "1") in request.headers
    assert len(headers) == len(ENCODED.headers) + 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "a\r\nX-B: b"),
        ("X-A", "a\nb"),
        ("X-A", "\0"),
        ("X-A", "€"),
        ("X-A", " edge"),
        ("X-A", "x" * 2001),
        ("X-A\r\nX-B", "a"),
        ("X A", "a"),
        ("X-Ä", "a"),
        ("", "a"),
        ("X-A:", "a"),
        ("X" * 101, "a"),
        ("X-A", 5),
    ],
)
def test_a_header_that_would_break_the_request_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"^headers: "):
        check_custom_headers({name: value})
    with pytest.raises(ValueError, match=r"^headers: "):
        merge_headers(ENCODED, {name: value})


def test_two_spellings_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="x-a is given twice"):
        check_custom_headers({"X-A": "1", "x-a": "2"})


def test_too_many_headers_are_refused() -> None:
    check_custom_headers({f"X-{i}": "1" for i in range(20)})
    with pytest.raises(ValueError, match="at most 20 are allowed; 21 are too many"):
        check_custom_headers({f"X-{i}": "1" for i in range(21)})
