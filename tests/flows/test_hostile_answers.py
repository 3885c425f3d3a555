"""Whatever a receiver answers, an attempt with a word for it stands in the log."""

from __future__ import annotations

import pytest

from deliveries.publishing import publish
from tests.flows.rows import attempts, statuses
from tests.support import hostile
from tests.support.factories import make_webhook
from tests.support.hostile import HostileServer
from tests.support.processes import wait_for

pytestmark = pytest.mark.usefixtures("running_worker")

LINE = b"HTTP/1.1 200 OK\r\n"
MEGABYTE = 1024**2

# handler, error class in the log, status in the log
ANSWERS = {
    "garbage": (hostile.says(b"\x00\x01\xff\xfenot http at all\r\n\r\n"), "invalid_response", None),
    "nothing, and closes": (hostile.says(b""), "connection_reset", None),
    "a reset": (hostile.resets, "connection_reset", None),
    "nothing, and hangs": (hostile.hangs, "response_timeout", None),
    "a dripped header": (hostile.drips(b"X-Slow: " + b"a" * 1000, every=0.05, first=LINE), "response_timeout", None),
    "a header of 1 MB": (
        hostile.says(LINE + b"X-Big: " + b"a" * MEGABYTE + b"\r\n\r\n"),
        "invalid_response",
        None,
    ),
    "headers without end": (hostile.repeats(LINE, b"X-More: 1\r\n"), "invalid_response", None),
    "an error with an endless body": (
        hostile.repeats(b"HTTP/1.1 500 Oh\r\n\r\n", b"\x00\xff" * 32768),
        "http_error",
        500,
    ),
    "a redirect": (hostile.answers("302 Found", headers="Location: http://127.0.0.1:1/\r\n"), "redirect", 302),
    "a success with an endless body": (hostile.repeats(LINE + b"\r\n", b"a" * 65536), "", 200),
    "NUL and broken UTF-8": (hostile.answers("200 OK", b"\x00\xff\xfe\x00", "X-Odd: a\xffb\r\n"), "", 200),
    "an error of NULs": (hostile.answers("503 No", b"\x00" * 5000), "http_error", 503),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_the_log_has_a_word_for(merchant, kind):
    handler, error, status = ANSWERS[kind]
    with HostileServer(handler) as server:
        webhook = make_webhook(merchant, url=server.url, timeout=1.5, retry_policy={"delays": []})
        publish("order.created", {"order": {"id": "1"}}, merchant=merchant)
        wait_for(lambda: attempts(webhook), 20, "an attempt in the log")
    [attempt] = attempts(webhook)
    assert (attempt.error, attempt.status_code) == (error, status), attempt.detail
    assert attempt.result == ("failed" if error else "delivered")
    assert statuses(webhook) == {"dead" if error else "delivered": 1}
    assert attempt.what_happened, "a sentence for the merchant"
    assert len(attempt.response_body) <= 4096
    assert attempt.total_ms is not None
    assert server.failures == []


def test_the_log_keeps_the_bytes_of_an_answer_as_they_came(merchant):
    body = b"\x00\xff\xfe{\x00}" + "ü".encode()
    with HostileServer(hostile.answers("200 OK", body)) as server:
        webhook = make_webhook(merchant, url=server.url)
        publish("order.created", {"order": {"id": "1"}}, merchant=merchant)
        wait_for(lambda: attempts(webhook), 20, "an attempt in the log")
    [attempt] = attempts(webhook)
    assert bytes(attempt.response_body) == body
