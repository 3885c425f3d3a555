"""Promise 10: a full run at the most talkative log level, then a search of everything that was written in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse

from deliveries import dialects
from deliveries.dialects import key_pairs
from deliveries.management.receiver import Answer, Request
from deliveries.models import Attempt
from subscriptions import services
from subscriptions.models import Webhook
from tests.flows.rows import attempts
from tests.flows.secrecy import Caller, Planted, database, redis_holds
from tests.support.clouds import GOOGLE_KEYS, eventbridge_settings, pubsub_settings, sqs_settings
from tests.support.factories import make_member
from tests.support.processes import Process, Web, beat, environment, wait_for, web, worker
from tests.support.receiver import TestReceiver
from tests.support.services import TEST_ENVIRONMENT
from tests.support.token_server import CLIENT_SECRET, TokenServer

IN_BASIC, IN_BEARER = "a-password-for-http-basic", "a-bearer-token-of-9d2f"
PASSWORD = "correct-horse-battery-staple"
CREDENTIAL = "credential-of-a-custom-header"
TYPED_WRONG = "a-password-typed-wrongly"
IN_A_URL = "password-inside-a-url"
SECRETS = {
    name: "whsec_c2VjcmV0LW9mLXRoZS1zdGFuZGFyZC1kaWFsZWN0" if name == "standard" else f"the-secret-of-{name}-9d2f"
    for name in dialects.NAMES
}


class Echo(TestReceiver):
    """Answers with what it got, headers and all, as services for inspecting requests do."""

    def answer(self, request: Request, times: int, problem: str) -> Answer:
        words = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
        return Answer(503, words.encode(), (("X-Echo", words.replace("\n", ", ")),))


@pytest.fixture
def planted() -> Planted:
    planted = Planted()
    for what in ("SECRET_KEY", "WEBHOOKS_ENCRYPTION_KEYS"):
        planted.add(what, TEST_ENVIRONMENT[what])
    planted.add("the metrics' token", "metrics-token-0b1c2d3e")
    return planted


@pytest.fixture
def processes(house: dict[str, str], planted: Planted) -> Iterator[list[Process]]:
    """Web, worker and beat, saying all they can."""
    token = planted.known["the metrics' token"]
    variables = environment(**house, LOG_LEVEL="DEBUG", METRICS_TOKEN=token, WEBHOOKS_NOTICE_WAIT="0")
    with web(variables) as site, worker(variables) as child, beat(variables) as clock:
        yield [site, child, clock]


def run(caller: Caller, merchant: Any, echo: Echo, tokens: TokenServer, planted: Planted) -> list[Webhook]:
    """Do what merchants, programs and strangers do with secrets."""
    key = planted.add("an API key", services.create_api_key(merchant=merchant).text)
    hooks = []
    for dialect, secret in SECRETS.items():
        planted.add(f"the secret of {dialect}", secret)
        body = {"name": dialect, "url": echo.url, "events": ["*"], "dialect": dialect, "secret": secret,
                "headers": {"Authorization": f"Bearer {CREDENTIAL}"}, "retry_policy": {"delays": [0]}}  # fmt: skip
        made = caller.api("POST", "/api/v1/webhooks", body, key=key, tell=False, **{"Idempotency-Key": dialect})
        assert made.status_code == 201, made.text
        hooks.append(Webhook.objects.get(public_id=made.json()["id"]))
    hooks += queues(caller, key, echo.url.removesuffix("/hooks"), planted)
    hooks = [*signing_in(caller, key, echo.url, tokens, planted), *hooks]
    made = caller.api("POST", "/api/v1/webhooks", {"url": echo.url, "events": ["*"]}, key=key, tell=False).json()
    planted.add("a secret we made up", made["secret"])
    for hook in hooks[-1:]:
        rotated = caller.api("POST", f"/api/v1/webhooks/{hook.public_id}/rotate-secret", key=key, tell=False).json()
        planted.add("a rotated secret", rotated["secret"])
    planted.add("a custom header's credential", CREDENTIAL)
    refusals(caller, key, planted)
    for hook in hooks:
        caller.api("POST", f"/api/v1/webhooks/{hook.public_id}/test", {"event": "order.created"}, key=key)
    published = caller.api("POST", "/api/v1/events", {"event": "order.created", "data": {"n": 1}}, key=key)
    assert published.status_code == 201, published.text
    wait_for(lambda: all(len(attempts(hook)) >= 2 for hook in hooks), 60, "two attempts of each")
    for path in ("webhooks", "deliveries", "events", "dead-letters", "api-keys", "stats"):
        assert caller.api("GET", f"/api/v1/{path}", key=key).status_code == 200
    for attempt in Attempt.objects.filter(webhook__in=hooks):
        caller.api("GET", f"/api/v1/deliveries/{attempt.delivery.public_id}", key=key)
    return hooks


def queues(caller: Caller, key: str, endpoint: str, planted: Planted) -> list[Webhook]:
    """Make a queue of each kind, all of which echo what they get."""
    aws = {"access_key_id": "AKIAPLANTED7EXAMPLE0", "secret_access_key": "a/secret+access/key-of-9d2f",
           "session_token": "a-session-token-of-9d2f=="}  # fmt: skip
    for name, secret in aws.items():
        planted.add(f"the {name}", secret)
    planted.add("the key's id", GOOGLE_KEYS["private_key_id"])
    planted.add("a line of the private key", GOOGLE_KEYS["private_key"].splitlines()[5])
    hooks = []
    for settings in (
        eventbridge_settings(endpoint) | {"credentials": aws},
        sqs_settings(f"{endpoint}/123456789012/orders") | {"credentials": aws},
        pubsub_settings(endpoint),
    ):
        body = {**settings, "events": ["*"], "retry_policy": {"delays": [0]}}
        del body["url"]
        made = caller.api("POST", "/api/v1/webhooks", body, key=key, tell=False, **{"Idempotency-Key": body["kind"]})
        assert made.status_code == 201, made.text
        planted.add(f"the secret of {body['kind']}", made.json()["secret"])
        hooks.append(Webhook.objects.get(public_id=made.json()["id"]))
        wrong = body | {"destination": {**body["destination"], "endpoint": "https://10.0.0.7"}}
        assert caller.api("POST", "/api/v1/webhooks", wrong, key=key).status_code == 422
    return hooks


def signing_in(caller: Caller, key: str, url: str, tokens: TokenServer, planted: Planted) -> list[Webhook]:
    """Make a webhook for each way to sign in whose credentials are sent, and one that signs with a key pair."""
    planted.add("a client secret", CLIENT_SECRET)
    ways = {
        "basic": {"sign_in": {"method": "basic", "username": "shop"}, "credentials": {"password": IN_BASIC}},
        "bearer": {"sign_in": {"method": "bearer"}, "credentials": {"token": IN_BEARER}},
        "oauth2": tokens.settings(),
        "pair": {"secret": planted.add("a private key", key_pairs.make())},
    }
    planted.add("a password", IN_BASIC)
    planted.add("a bearer token", IN_BEARER)
    hooks = []
    for name, way in ways.items():
        body = {"url": url, "events": ["*"], "retry_policy": {"delays": [0]}, **way}
        made = caller.api("POST", "/api/v1/webhooks", body, key=key, tell=name == "pair", **{"Idempotency-Key": name})
        assert made.status_code == 201, made.text
        hooks.append(Webhook.objects.get(public_id=made.json()["id"]))
        wrong = body | {"url": "https://10.0.0.7/"}
        assert caller.api("POST", "/api/v1/webhooks", wrong, key=key).status_code == 422
    return hooks


def refusals(caller: Caller, key: str, planted: Planted) -> None:
    """Requests that are refused, whose answers and log lines must not repeat what they held."""
    planted.add("a wrong API key", "ak_live_" + "x1y2z3" * 7)
    assert caller.api("GET", "/api/v1/webhooks", key=planted.known["a wrong API key"]).status_code == 401
    planted.add("a password in a URL", IN_A_URL)
    body = {"url": f"https://me:{IN_A_URL}@shop.example.com/", "events": ["*"]}
    assert caller.api("POST", "/api/v1/webhooks", body, key=key).status_code == 422
    planted.add("a secret that does not fit", "whsec_bm90LWEtZ29vZC1zZWNyZXQ")
    body = {"url": "https://shop.example.com/", "events": ["*"], "secret": planted.known["a secret that does not fit"]}
    assert caller.api("POST", "/api/v1/webhooks", body, key=key).status_code == 422


def people(caller: Caller, merchant: Any, hooks: list[Webhook], planted: Planted) -> None:
    """A member signs in at both doors and looks at every page that could show a secret."""
    owner = make_member(merchant, password=PASSWORD)
    planted.add("a password", PASSWORD)
    planted.add("a wrong password", TYPED_WRONG)
    for password in (TYPED_WRONG, PASSWORD):
        body = {"username": owner.username, "password": password}
        answer = caller.api("POST", "/api/v1/token", body, tell=password != PASSWORD)
    for name, token in answer.json().items():
        planted.add(f"the {name} token", token)
    caller.page("/admin/login/")
    caller.page("/admin/login/", {"username": owner.username, "password": TYPED_WRONG})
    session = caller.sign_in(owner.username, PASSWORD)
    for model in (
        "webhooks_subscriptions_webhook",
        "webhooks_subscriptions_signingsecret",
        "webhooks_subscriptions_apikey",
        "webhooks_deliveries_delivery",
        "webhooks_deliveries_event",
        "webhooks_deliveries_attempt",
        "webhooks_deliveries_deadletter",
        "webhooks_deliveries_notice",
    ):
        assert caller.page(reverse(f"admin:{model}_changelist")).status_code == 200, model
    for hook in hooks:
        page = caller.page(reverse("admin:webhooks_subscriptions_webhook_change", args=[hook.pk]))
        assert page.status_code == 200
        for attempt in attempts(hook):
            page = caller.page(reverse("admin:webhooks_deliveries_delivery_change", args=[attempt.delivery_id]))
            assert page.status_code == 200
    planted.add("a session", session)


SHOWN = {
    # Settings of the merchant's own, shown and stored as they were given: SECURITY.md says so.
    "a custom header's credential": {"webhooks_subscriptions_webhook.headers"},
    "a session": {"django_session.session_key"},
}


def test_a_full_run_at_debug_level_writes_no_secret_anywhere(
    merchant: Any, processes: list[Process], planted: Planted
) -> None:
    site = processes[0]
    assert isinstance(site, Web)
    caller = Caller(site)
    with Echo() as echo, TokenServer() as server:
        hooks = run(caller, merchant, echo, server, planted)
        people(caller, merchant, hooks, planted)
    sent = {value for received in echo.requests for _, value in received.headers.items()}
    assert {SECRETS["shopery"], f"Bearer {CREDENTIAL}"} <= sent, "they were sent, and echoed"
    assert any(planted.known["the access_key_id"] in value for value in sent)
    tokens = [value.removeprefix("Bearer ") for value in sent if value.startswith("Bearer eyJ")]
    for number, token in enumerate(tokens):
        planted.add(f"token {number} for Pub/Sub", token)
    assert tokens
    assert {f"Bearer {IN_BEARER}", f"Bearer {server.given[0]}"} <= sent
    for number, token in enumerate(server.given):
        planted.add(f"token {number} of OAuth 2", token)
    assert caller.api("GET", "/metrics", key=planted.known["the metrics' token"]).status_code == 200

    logs = {process.name: process.log for process in processes}
    assert "worker_ready" in logs[processes[1].name], "the logs were read"
    assert any('"debug"' in log for log in logs.values()), "they were written at DEBUG"
    for name, log in logs.items():
        assert planted.found_in(log) == set(), f"the log of {name}"

    with transaction.atomic():
        holds = database()
    assert len(holds) > 100
    for place, text in holds.items():
        allowed = {what for what, places in SHOWN.items() if place in places}
        assert planted.found_in(text) <= allowed, place
    assert planted.found_in(redis_holds()) == set()

    for text in caller.answers:
        assert planted.found_in(text) - {"a custom header's credential"} == set(), text[:2000]


def test_the_search_finds_what_it_looks_for(planted: Planted) -> None:
    """Otherwise finding nothing would prove nothing."""
    planted.add("a secret", "whsec_c2VjcmV0LW9mLW1pbmU")
    assert planted.found_in("key=whsec_c2VjcmV0LW9mLW1pbmU,") == {"a secret"}
    assert planted.found_in("c2VjcmV0LW9mLW1pbmU") == {"a secret"}
    assert planted.found_in("eyJrZXkiOiJ3aHNlY19jMlZqY21WMExXOW1MVzFwYm1VIn0=") == {"a secret"}  # within base64
    assert planted.found_in("nothing of the kind") == set()
