"""A webhook's filter that says nothing: refused, since without one every event is sent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api import Client, attrs
from tests.support.blanks import WHITE_SPACE, name_of

PATH = "/api/v1/webhooks"
URL = "http://127.0.0.1:9/hook"


@pytest.mark.parametrize("blank", WHITE_SPACE, ids=name_of)
def test_a_filter_of_white_space_is_not_taken_for_none(api: Client, webhook: dict[str, Any], blank: str) -> None:
    for text in (blank, blank * 3):
        for answer in (
            api.post(PATH, {"url": URL, "events": ["order.*"], "filter": text}),
            api.patch(f"{PATH}/{webhook['id']}", {"filter": text}),
        ):
            assert answer.status_code == 422, answer.content
            assert list(attrs(answer)) == ["filter"]


@pytest.mark.parametrize("none", [None, ""])
def test_no_filter_is_said_by_null_or_empty(api: Client, webhook: dict[str, Any], none: str | None) -> None:
    assert api.patch(f"{PATH}/{webhook['id']}", {"filter": "data.n > `1`"}).status_code == 200
    answer = api.patch(f"{PATH}/{webhook['id']}", {"filter": none})
    assert (answer.status_code, answer.json()["filter"]) == (200, "")
