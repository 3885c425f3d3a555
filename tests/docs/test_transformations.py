"""The page on transformations: its templates make messages that Slack, Discord and Teams take, of every example."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from subscriptions.models import EventType
from tests.support import chats
from tests.support.chats import Chat
from tests.support.factories import make_webhook
from tests.support.one_attempt import attempt

pytestmark = pytest.mark.django_db

PAGE = (Path(__file__).parents[2] / "docs/transformations.md").read_text("utf-8")
BLOCK = re.compile(r"^```jmespath\n(.*?)```", re.MULTILINE | re.DOTALL)
TEMPLATES = {
    section.partition("\n")[0]: block[1] for section in PAGE.split("\n## ")[1:] if (block := BLOCK.search(section))
}
CHATS: dict[str, Callable[[], Chat]] = {"Slack": chats.slack, "Discord": chats.discord, "Microsoft Teams": chats.teams}


def test_the_page_has_a_template_for_each_of_them() -> None:
    assert set(TEMPLATES) == set(CHATS)


@pytest.mark.parametrize("name", CHATS)
def test_a_template_makes_a_message_that_the_chat_takes_of_the_catalogues_orders(name: str) -> None:
    examples = EventType.objects.filter(name__startswith="order.", is_active=True).values_list("name", "example")
    assert len(examples) >= 5
    with CHATS[name]() as chat:
        for event, example in examples:
            webhook = make_webhook(url=chat.address, events=[event], transform=TEMPLATES[name])
            delivery, made = attempt(webhook, json.loads(example), name=event)
            assert delivery.status == "delivered", (event, made.detail, bytes(made.response_body))
        assert len(chat.posted) == len(examples)


@pytest.mark.parametrize("name", CHATS)
def test_a_chat_refuses_what_the_real_one_refuses(name: str) -> None:
    with CHATS[name]() as chat:
        wrong: dict[str, list[Any]] = {
            "Slack": ["{txt: event}", "{blocks: [{type: 'heading'}]}", "{text: event, blocks: event}", "{text: ''}"],
            "Discord": ["{text: event}", "{content: ''}", "{embeds: [{fields: [{name: event}]}]}"],
            "Microsoft Teams": ["{text: event}", "{type: 'message', attachments: [{contentType: 'text/plain'}]}"],
        }
        for expression in wrong[name]:
            _delivery, made = attempt(make_webhook(url=chat.address, transform=expression))
            assert made.status_code == 400, expression
        _delivery, made = attempt(make_webhook(url=chat.address))  # our own body, as it is without a template
        assert made.status_code == 400
        assert chat.posted == []


def test_every_other_expression_on_the_page_is_taken() -> None:
    for expression in re.findall(r'"transform": "([^"]+)"', PAGE):
        assert make_webhook(transform=expression).transform == expression
