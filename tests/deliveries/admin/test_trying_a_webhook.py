from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

import merchant_webhooks
from deliveries import dialects
from deliveries.admin import test_send_panel, verification_snippets
from deliveries.models import Attempt
from deliveries.transport import Outcome, Request
from subscriptions.selectors import signing_secrets
from tests.support.desk import Shop, make_shop, sign_in
from tests.support.factories import PLAIN_SECRET, STANDARD_SECRET, make_webhook

pytestmark = pytest.mark.django_db


class Receiver:
    """A real server that keeps what it gets and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((dict(self.headers.items()), body))
                self.send_response(outer.status)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"hello")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.stop()


def test_url(key: Any) -> str:
    return reverse("admin:webhooks_subscriptions_webhook_test", args=[key])


test_url.__test__ = False  # type: ignore[attr-defined]


def test_a_test_sends_a_signed_sample_and_shows_the_whole_exchange(
    shop: Shop, browser: Client, receiver: Receiver
) -> None:
    webhook = make_webhook(shop.merchant, url=receiver.url, dialect="alva", secret=PLAIN_SECRET)
    values = {"url": receiver.url, "dialect": "alva", "sample": "order.paid"}
    page = browser.post(test_url(webhook.pk), values)
    [(headers, body)] = receiver.got
    merchant_webhooks.verify(headers, body, PLAIN_SECRET, "alva")
    assert json.loads(body)["event"] == "order.paid"
    assert headers["webhook-test"] == "true"
    text = page.content.decode()
    for shown in (
        "It works: your endpoint answered 200",
        "X-Alva-HMAC-SHA256",
        "hello",
        "HTTP 200",
        "Waiting for the answer",
    ):
        assert shown in text
    assert PLAIN_SECRET not in text
    assert not Attempt.objects.filter(webhook=webhook).exists()


def test_a_webhook_can_be_tested_before_it_is_saved(shop: Shop, browser: Client, receiver: Receiver) -> None:
    values = {"url": receiver.url, "dialect": "litestore", "secret": PLAIN_SECRET, "merchant": shop.merchant.pk}
    assert "It works" in browser.post(test_url("new"), values).content.decode()
    merchant_webhooks.verify(*receiver.got[0], PLAIN_SECRET, "litestore")
    assert shop.merchant.webhooks.count() == 1


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (204, "It works: your endpoint answered 204"),
        (401, "Your endpoint rejected the signature."),
        (404, "Nothing answers at this path."),
        (302, "We don't follow redirects."),
        (500, "Your code failed."),
    ],
)
def test_a_test_diagnoses_the_answer_in_plain_words(
    status: int, told: str, shop: Shop, browser: Client, receiver: Receiver
) -> None:
    receiver.status = status
    page = browser.post(test_url(shop.webhook.pk), {"url": receiver.url, "dialect": "standard"})
    assert told in page.content.decode().replace("&#x27;", "'")


def test_a_closed_port_is_diagnosed(shop: Shop, browser: Client, receiver: Receiver) -> None:
    receiver.stop()
    page = browser.post(test_url(shop.webhook.pk), {"url": receiver.url, "dialect": "standard"})
    assert "Nothing listens at that port." in page.content.decode()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"url": "http://10.0.0.1/"}, "10.0.0.1 is not a public address"),
        ({"url": ""}, "needs a URL"),
        ({"headers": "Host: x"}, "Host is set by"),
        ({"retry_policy": "soon"}, "is not a wait"),
        ({"timeout": "soon"}, "Timeout"),
        ({"sample": "nothing.such"}, "Choose an event"),
        ({"dialect": "morse"}, "is not a dialect"),
        ({"secret": "short"}, "whsec_"),
    ],
)
def test_what_is_wrong_in_the_form_is_said_and_nothing_is_sent(
    values: dict[str, str], told: str, shop: Shop, browser: Client, receiver: Receiver
) -> None:
    page = browser.post(test_url(shop.webhook.pk), {"url": receiver.url, "dialect": "standard", **values})
    assert told in page.content.decode()
    assert receiver.got == []


def test_a_test_never_carries_a_sent_secret_to_an_address_it_was_not_meant_for(
    shop: Shop, browser: Client, receiver: Receiver
) -> None:
    webhook = make_webhook(shop.merchant, url="https://shop.example.com/", dialect="shopery", secret=PLAIN_SECRET)
    browser.post(test_url(webhook.pk), {"url": receiver.url, "dialect": "shopery"})
    standard = make_webhook(shop.merchant, url=receiver.url, dialect="standard", secret=STANDARD_SECRET)
    browser.post(test_url(standard.pk), {"url": receiver.url, "dialect": "shopery"})
    assert [PLAIN_SECRET in str(headers) or STANDARD_SECRET in str(headers) for headers, _body in receiver.got] == [
        False,
        False,
    ]


def test_nobody_tests_what_is_not_theirs(shop: Shop, browser: Client, receiver: Receiver) -> None:
    other = make_shop("borage")
    values = {"url": receiver.url, "dialect": "standard"}
    assert browser.post(test_url(other.webhook.pk), values).status_code == 404
    assert sign_in(shop.people["viewer"]).post(test_url(shop.webhook.pk), values).status_code == 403
    assert (
        "Choose the merchant first"
        in browser.post(test_url("new"), {**values, "merchant": other.merchant.pk}).content.decode()
    )
    assert receiver.got == []
    assert browser.get(test_url(shop.webhook.pk)).status_code == 405


def test_the_preview_shows_body_headers_and_timetable_without_sending(
    shop: Shop, browser: Client, receiver: Receiver
) -> None:
    address = reverse("admin:webhooks_subscriptions_webhook_preview", args=[shop.webhook.pk])
    values = {"url": receiver.url, "dialect": "cryptlex", "retry_policy": "5s, 2m", "sample": "license.created"}
    text = browser.post(address, values).content.decode()
    assert "Webhook-Signature" in text
    assert "license.created" in text
    assert "At once, then 5 s and 2 min after each failure" in text
    assert receiver.got == []


def test_the_preview_masks_a_secret_that_is_sent(shop: Shop, browser: Client) -> None:
    webhook = make_webhook(shop.merchant, url="https://shop.example.com/", dialect="shopery", secret=PLAIN_SECRET)
    address = reverse("admin:webhooks_subscriptions_webhook_preview", args=[webhook.pk])
    text = browser.post(address, {"url": webhook.url, "dialect": "shopery"}).content.decode()
    assert "X-Shopery-Secret: ••••••" in text
    assert PLAIN_SECRET not in text


def test_a_slow_answer_gets_a_warning() -> None:
    tone, text = test_send_panel.diagnosis(Outcome(status_code=200, total_ms=4000.0))
    assert (tone, "took 4.00 s" in text) == ("warning", True)


def test_the_page_names_the_addresses_to_allow(shop: Shop, browser: Client, settings: Any) -> None:
    settings.WEBHOOKS_SOURCE_IPS = ["203.0.113.7"]
    page = browser.get(reverse("admin:webhooks_subscriptions_webhook_change", args=[shop.webhook.pk]))
    assert "203.0.113.7" in page.content.decode()


def test_the_health_strip_shows_the_last_attempts_oldest_first(shop: Shop, browser: Client) -> None:
    page = browser.get(reverse("admin:webhooks_subscriptions_webhook_change", args=[shop.webhook.pk]))
    assert [cell["tone"] for cell in page.context["health"].strip] == ["bad"]
    assert page.context["health"].success == "100 %"


# --- the snippets, run for real -------------------------------------------------------------------------------------

NODE_HARNESS = """
const { headers, body, secret } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const raw = Buffer.from(body, 'base64');
const forged = Buffer.concat([raw, Buffer.from(' ')]);
const other = { ...headers, 'HEADER': 'x' };
const answers = [verify(headers, raw, secret), verify(headers, forged, secret), verify(other, raw, secret)];
console.log(JSON.stringify(answers));
"""

PYTHON_HARNESS = """
import json, sys
given = json.load(sys.stdin)
raw = base64_of.b64decode(given["body"])
class Headers(dict):
    def get(self, name, default=None):
        return dict.get(self, name.lower(), default)
    def __getitem__(self, name):
        return dict.__getitem__(self, name.lower())
headers, other = Headers(given["headers"]), Headers({**given["headers"], "HEADER": "x"})
print(json.dumps([verify(headers, raw, given["secret"]), verify(headers, raw + b" ", given["secret"]),
                  verify(other, raw, given["secret"])]))
"""


def sample(dialect: str) -> tuple[Request, str]:
    shop = make_shop("aster")
    secret = STANDARD_SECRET if dialect == "standard" else PLAIN_SECRET
    webhook = make_webhook(shop.merchant, dialect=dialect, secret=secret)
    assert signing_secrets([webhook.pk])[webhook.pk] == [secret]
    form = QueryDict(mutable=True)
    form.update({"url": webhook.url, "dialect": dialect})
    return test_send_panel.prepare(form, webhook=webhook, merchant=None).prepared.request, secret


def run(command: list[str], code: str, dialect: str, tmp_path: Path) -> list[bool]:
    import base64

    request, secret = sample(dialect)
    file = tmp_path / "snippet"
    file.write_text(code.replace("HEADER", verification_snippets.of(dialect).header.lower()))
    given = {
        "headers": {name.lower(): value for name, value in request.headers},
        "body": base64.b64encode(request.body).decode(),
        "secret": secret,
    }
    done = subprocess.run(
        [*command, str(file)], input=json.dumps(given), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def expected(dialect: str) -> list[bool]:
    # Shopery's secret doesn't depend on the body: whoever has it can write anything.
    return [True, dialect == "shopery", False]


@pytest.mark.parametrize("dialect", dialects.NAMES)
def test_the_node_snippet_accepts_ours_and_refuses_forgeries(dialect: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not on PATH; install nodejs to run the snippet")
    assert run([node], verification_snippets.of(dialect).node + NODE_HARNESS, dialect, tmp_path) == expected(dialect)


@pytest.mark.parametrize("dialect", dialects.NAMES)
def test_the_python_snippet_accepts_ours_and_refuses_forgeries(dialect: str, tmp_path: Path) -> None:
    code = verification_snippets.of(dialect).python + "\nimport base64 as base64_of\n" + PYTHON_HARNESS
    assert run([sys.executable], code, dialect, tmp_path) == expected(dialect)
