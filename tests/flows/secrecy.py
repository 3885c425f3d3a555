"""A full run's secrets, and everything that was written in it: what to look for, and where."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import redis
import requests
from django.db import connection

from subscriptions.conf import settings
from tests.support.processes import Web


class Planted:
    """Secrets by what they are. Whatever is told or made during the run is added."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def add(self, what: str, secret: str) -> str:
        assert len(secret) >= 12, f"{what} is too short to be found by its text"
        self.known[what] = secret
        return secret

    def found_in(self, text: str) -> set[str]:
        """Return which secrets stand in a text, as they are or in base64 (which is how some keys hide)."""
        return {what for what, secret in self.known.items() if any(form in text for form in _forms(secret))}


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield secret.removeprefix("whsec_")
    for dispatcher in range(3):  # base64 of the secret wherever it begins within a longer text
        inner = base64.b64encode(b"\0" * dispatcher + secret.encode()).decode()
        yield inner[4 if dispatcher else 0 : -4]


class Caller:
    """Speaks HTTP to the web process, as a program with an API key or as a browser, and keeps every answer."""

    def __init__(self, web: Web) -> None:
        self.base = f"http://127.0.0.1:{web.port}"
        self.answers: list[str] = []
        self._cookies: dict[str, str] = {}

    def api(self, method: str, path: str, body: Any = None, *, key: str = "", tell: bool = True, **headers: str) -> Any:
        """Call the API. `tell=False`: this answer may hold a secret, since it is the one that shows it."""
        if key:
            headers["Authorization"] = f"Bearer {key}"
        answer = requests.request(method, self.base + path, json=body, headers=headers, timeout=30)
        if tell:
            self.answers.append(_whole(answer))
        return answer

    def page(self, path: str, form: dict[str, str] | None = None, *, tell: bool = True) -> requests.Response:
        """Get a page of the admin, or post a form to it. Cookies are kept by hand: they are for https only."""
        if form is not None:
            form = form | {"csrfmiddlewaretoken": self._cookies["csrftoken"]}
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        answer = requests.request(
            "GET" if form is None else "POST",
            self.base + path,
            data=form,
            headers={"Cookie": cookies},
            allow_redirects=False,
            timeout=30,
        )
        self._cookies.update({cookie.name: cookie.value or "" for cookie in answer.cookies})
        if tell:
            self.answers.append(answer.text)
        return answer

    def sign_in(self, name: str, password: str) -> str:
        """Sign in to the admin; return the session's key, a secret too."""
        self.page("/admin/login/")
        answer = self.page("/admin/login/", {"username": name, "password": password})
        assert answer.status_code == 302, answer.text
        return self._cookies["sessionid"]


def _whole(answer: requests.Response) -> str:
    return f"{answer.status_code} {dict(answer.headers)} {answer.text}"


def database() -> dict[str, str]:
    """Return everything the database holds, as text by `table.column`."""
    found: dict[str, str] = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for name, value in zip(names, row, strict=True):
                    found[f"{table}.{name}"] = found.get(f"{table}.{name}", "") + "\n" + _text(value)
    return found


def redis_holds() -> str:
    """Return every key and value in Redis, the broker's messages among them."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    with contextlib.closing(client):
        texts = []
        for key in client.keys("*"):
            texts += [repr(key), repr(client.dump(key))]
            if client.type(key) == b"list":
                texts += [entry.decode(errors="replace") for entry in client.lrange(key, 0, -1)]
        return "\n".join(texts)


def _text(value: Any) -> str:
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).decode(errors="replace")
    return value if isinstance(value, str) else json.dumps(value, default=str)
