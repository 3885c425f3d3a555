"""An OAuth 2 token server for client credentials (RFC 6749, 4.4), and an endpoint that asks for its tokens.

with TokenServer() as server, protected_by(server) as endpoint:
    webhook = make_webhook(url=endpoint.url + "/hooks", **server.settings())
    server.revoke()                       # the endpoint answers 401 to every token given so far
    server.answers_with(503)              # until `server.answers_with(None)`
"""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from deliveries.management.receiver import Answer
from deliveries.management.receiver.server import HttpServer, Request

CLIENT_ID, CLIENT_SECRET = "shop:42", "s3cret of the shop/+%"
"""With characters that HTTP Basic takes only form-encoded (RFC 6749, 2.3.1)."""


class TokenServer(HttpServer):
    """Gives tokens at `/token` to whoever knows client id and secret.

    Attributes:
        lifetime: Seconds for which a token opens the endpoint.
        says: What `expires_in` says; None leaves it out.
        delay: Seconds it takes to answer.
        given: The tokens so far.
        most_at_once: How many requests it had at once at most.
    """

    def __init__(self, *, lifetime: float = 3600.0, wants: str = "basic", delay: float = 0.0) -> None:
        super().__init__(self._answer)
        self.lifetime, self.says, self.delay, self.wants = lifetime, lifetime, delay, wants
        self.secret = CLIENT_SECRET
        self.given: list[str] = []
        self.asked: list[dict[str, str]] = []
        self.most_at_once = 0
        self._at_once = 0
        self._valid: dict[str, float] = {}
        self._fault: Answer | None = None
        self._numbers = itertools.count(1)
        self._counting = threading.Lock()

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Return what a webhook is given that signs in with this server's tokens."""
        way = {"method": "oauth2", "token_url": f"{self.url}/token", "client_id": CLIENT_ID, "scope": "hooks"}
        way |= {"client_authentication": self.wants}
        return {"sign_in": way | changes, "credentials": {"client_secret": CLIENT_SECRET}}

    def revoke(self) -> None:
        self._valid.clear()

    def answers_with(self, status: int | None, body: Any = None, **options: Any) -> None:
        """Answer so from now on; with None, as a token server does."""
        told = body if isinstance(body, bytes) else json.dumps(body if body is not None else {"error": "down"}).encode()
        self._fault = None if status is None else Answer(status, told, **options)

    def opens(self, authorization: str) -> bool:
        token = authorization.removeprefix("Bearer ")
        return authorization.startswith("Bearer ") and self._valid.get(token, 0.0) > time.monotonic()

    def _answer(self, request: Request) -> Answer:
        with self._counting:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            time.sleep(self.delay)
            return self._fault or self._grant(request)
        finally:
            with self._counting:
                self._at_once -= 1

    def _grant(self, request: Request) -> Answer:
        form = {name: values[0] for name, values in parse_qs(request.body.decode(), strict_parsing=True).items()}
        self.asked.append(form)
        wrong = (
            request.method != "POST"
            or request.path != "/token"
            or request.headers.get("Content-Type") != "application/x-www-form-urlencoded"
            or form.get("grant_type") != "client_credentials"
        )
        if wrong:
            return _json(400, {"error": "invalid_request"})
        if self._client_of(request, form) != (CLIENT_ID, self.secret):
            return _json(401, {"error": "invalid_client", "error_description": f"no {form} here"})
        if form.get("scope", "hooks") != "hooks":
            return _json(400, {"error": "invalid_scope"})
        token = f"token-{next(self._numbers)}-{'x' * 20}"
        self._valid[token] = time.monotonic() + self.lifetime
        self.given.append(token)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.says}
        return _json(200, {name: value for name, value in answer.items() if value is not None})

    def _client_of(self, request: Request, form: dict[str, str]) -> tuple[str, str]:
        sent = request.headers.get("Authorization", "")
        if self.wants == "body":
            return ("", "") if sent else (form.get("client_id", ""), form.get("client_secret", ""))
        if not sent.startswith("Basic ") or "client_secret" in form:
            return "", ""
        name, _, secret = base64.b64decode(sent.removeprefix("Basic "), validate=True).decode().partition(":")
        return unquote_plus(name), unquote_plus(secret)


def _json(status: int, body: Any) -> Answer:
    return Answer(status, json.dumps(body).encode(), (("Content-Type", "application/json"),))


class ProtectedEndpoint(HttpServer):
    """Answers 401 to what carries no valid token of `server`; `taken` are what it took, `refused` the others."""

    def __init__(self, server: TokenServer) -> None:
        super().__init__(self._answer)
        self._tokens = server
        self.taken: list[Request] = []
        self.refused: list[Request] = []
        self.refuses_all = False

    @property
    def ids(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self.taken]

    def _answer(self, request: Request) -> Answer:
        sent = request.headers.get("Authorization", "")
        if self.refuses_all or not self._tokens.opens(sent):
            self.refused.append(request)
            return Answer(401, f"not with {sent}".encode())
        self.taken.append(request)
        return Answer(200, f"thanks for {sent}".encode())


def protected_by(server: TokenServer) -> ProtectedEndpoint:
    return ProtectedEndpoint(server)
