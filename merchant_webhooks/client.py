"""The service's REST API from Python: publishing that is sent again without being stored twice, and all other routes.

    client = Client("https://hooks.example/api/v1", api_key)
    client.publish("order.created", {"order": {"id": "1045"}}, id="order-1045-created")
    for delivery in client.pages("deliveries", status="dead"): ...

Every POST has an `Idempotency-Key`: where its answer was lost it is sent again, and the service carries it out once.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict
from urllib.parse import urlsplit

import requests

ATTEMPTS: Final = 5
"""How often a request is tried in all."""
FIRST_WAIT: Final = 0.5
"""Seconds before the second try; doubled before each further one, and up to a quarter more or less by chance."""
WAIT_LIMIT: Final = 30.0
"""Seconds that are waited at most, whatever `Retry-After` asks: an error is told after that."""
AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Answers after which a request is tried again."""
IN_PROGRESS: Final = "idempotency_key_in_progress"
"""The code of a 409 that says that the same request is still being carried out."""


class Published(TypedDict):
    """What became of an event."""

    id: str
    event: str
    deliveries: int
    duplicate: bool


class Error(TypedDict):
    """One of the things that are wrong with a request."""

    code: str
    detail: str
    attr: str | None


class NewEvent(TypedDict, total=False):
    """An event of a batch; `event` and `data` are needed."""

    event: str
    data: Mapping[str, Any]
    id: str
    occurred_at: str
    resource_id: str


class ServiceUnreachable(Exception):
    """No answer came, or none but errors of the service's own, however often it was asked; it may be asked later."""


@dataclass
class RequestRefused(Exception):
    """The service says no, and would say so again: correct the request.

    Attributes:
        status: The answer's.
        errors: What is wrong, each with a code for programs, words for people, and the field.
    """

    status: int
    errors: Sequence[Error]

    def __str__(self) -> str:
        told = "; ".join(
            f"{each['attr']}: {each['detail']}" if each["attr"] else each["detail"] for each in self.errors
        )
        return f"{self.status}: {told}"


class Client:
    """A merchant's API key and the service's address; may be used by several threads as `requests.Session` may.

    Args:
        api: The address of the API, with `/api/v1`.
        key: An API key (`ak_…`).
        timeout: Seconds to connect, and between two pieces of an answer.
        session: For proxies and authorities of your own.
    """

    def __init__(self, api: str, key: str, *, timeout: float = 10.0, session: requests.Session | None = None) -> None:
        self._api = api.rstrip("/")
        self._key = key
        self._timeout = timeout
        self._session = session or requests.Session()

    def publish(
        self,
        event: str,
        data: Mapping[str, Any],
        *,
        id: str | None = None,
        occurred_at: str | None = None,
        resource_id: str = "",
    ) -> Published:
        """Publish one event. Its id, yours or one made here, keeps it from being stored twice.

        Raises RequestRefused and ServiceUnreachable. After the latter publish it again with the same id.
        """
        body: dict[str, Any] = {"event": event, "data": data, "id": id or f"evt_{uuid.uuid4().hex}"}
        body |= {"occurred_at": occurred_at} if occurred_at else {}
        body |= {"resource_id": resource_id} if resource_id else {}
        answer: Published = self.post("events", body)
        return answer

    def publish_many(self, events: Sequence[NewEvent]) -> list[Published]:
        """Publish up to 1,000 events, all or none; otherwise as `publish`."""
        named = [{**event, "id": event.get("id") or f"evt_{uuid.uuid4().hex}"} for event in events]
        answer: list[Published] = self.post("events/batch", {"events": named})["events"]
        return answer

    def pages(self, path: str, **query: Any) -> Iterator[Any]:
        """Yield the rows of a list, such as `webhooks`, page by page until its end."""
        answer = self.get(path, **query)
        while True:
            yield from answer["results"]
            if not answer["next"]:
                return
            # The address that we know, and not one that an answer names: the key goes along.
            answer = self._ask("GET", f"{self._address(path)}?{urlsplit(answer['next']).query}", None)

    def get(self, path: str, **query: Any) -> Any:
        """Return what a route below the API's address answers."""
        return self._ask("GET", self._address(path), None, query)

    def post(self, path: str, body: Any = None, *, idempotency_key: str | None = None) -> Any:
        """Return the answer to a POST that is carried out once, however often it has to be sent."""
        return self._ask(
            "POST", self._address(path), {} if body is None else body, key=idempotency_key or str(uuid.uuid4())
        )

    def patch(self, path: str, body: Any) -> Any:
        """Change a resource."""
        return self._ask("PATCH", self._address(path), body)

    def delete(self, path: str) -> None:
        """Delete a resource."""
        self._ask("DELETE", self._address(path), None)

    def _address(self, path: str) -> str:
        return f"{self._api}/{path.strip('/')}"

    def _ask(
        self, method: str, address: str, body: Any, query: Mapping[str, Any] | None = None, key: str | None = None
    ) -> Any:
        headers = {"Authorization": f"Bearer {self._key}", "Accept": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        problem = ""
        for attempt in range(ATTEMPTS):
            asked = FIRST_WAIT * 2**attempt * random.uniform(0.75, 1.25)  # noqa: S311 - no secret: it spreads callers
            try:
                answer = self._session.request(
                    method, address, params=query, json=body, headers=headers, timeout=self._timeout,
                    allow_redirects=False,
                )  # fmt: skip
            except (requests.ConnectionError, requests.Timeout) as error:
                problem = str(error)
            else:
                if answer.status_code // 100 == 2:
                    return answer.json() if answer.content else None
                errors = _errors(answer)
                if not _may_change(answer.status_code, errors):
                    raise RequestRefused(answer.status_code, errors)
                problem = f"{answer.status_code}: {errors[0]['detail']}"
                asked = max(asked, _seconds(answer.headers.get("Retry-After", "")))
            if asked > WAIT_LIMIT or attempt == ATTEMPTS - 1:
                break
            time.sleep(asked)
        raise ServiceUnreachable(f"{method} {address}: {problem}")


def _may_change(status: int, errors: Sequence[Error]) -> bool:
    return status in AGAIN or any(each["code"] == IN_PROGRESS for each in errors)


def _errors(answer: requests.Response) -> list[Error]:
    try:
        found: list[Error] = answer.json()["errors"]
        return [{"code": str(one["code"]), "detail": str(one["detail"]), "attr": one["attr"]} for one in found]
    except (ValueError, KeyError, TypeError):  # not the service, but something in front of it
        return [{"code": "unknown", "detail": " ".join(answer.text.split())[:200] or answer.reason or "", "attr": None}]


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() else 0.0
