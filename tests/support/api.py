"""A client of the REST API that speaks JSON and carries a credential."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client as DjangoClient


class Client:
    """Sends requests with a Bearer credential; `headers` stand on each of them."""

    def __init__(self, token: str | None, **headers: str) -> None:
        self.headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **headers}
        self._client = DjangoClient(raise_request_exception=False)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """Send one; `body` is sent as it is when it is bytes or text, else as JSON."""
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        options: dict[str, Any] = {} if body is None else {"data": body, "content_type": "application/json"}
        if "Content-Type" in headers:
            options["content_type"] = headers.pop("Content-Type")
        return self._client.generic(method, path, headers={**self.headers, **headers}, **options)

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.request("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.request("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.request("PATCH", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.request("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str) -> HttpResponse:
        return self.request("DELETE", path, **headers)


def attrs(answer: HttpResponse) -> dict[str, str]:
    """Return attr → detail of an error's answer, having checked its shape."""
    body = answer.json()
    assert set(body) == {"type", "errors"}, body
    assert all(set(error) == {"code", "detail", "attr"} for error in body["errors"]), body
    return {error["attr"]: error["detail"] for error in body["errors"]}
