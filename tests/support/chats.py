"""Fakes of the addresses at which Slack, Discord and Teams take messages, with what their documents demand of one.

Slack: https://api.slack.com/messaging/webhooks and https://api.slack.com/reference/block-kit/blocks
Discord: https://discord.com/developers/docs/resources/webhook#execute-webhook
Teams: https://learn.microsoft.com/connectors/teams/#when-a-teams-webhook-request-is-received, and the adaptive card
schema 1.4. Each answers what the real one answers; `posted` are the messages it took.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from deliveries.management.receiver import Answer
from deliveries.management.receiver.server import HttpServer, Request


class Wrong(Exception):
    """What is wrong with a message."""


class Chat(HttpServer):
    """Takes messages that `check` finds nothing wrong with."""

    def __init__(self, check: Callable[[Any], None], *, path: str, taken: Answer, refused: Callable[[str], Answer]):
        super().__init__(self._answer)
        self._check, self._path, self._taken, self._refused = check, path, taken, refused
        self.posted: list[Any] = []

    @property
    def address(self) -> str:
        return self.url + self._path

    def _answer(self, request: Request) -> Answer:
        try:
            need(request.method == "POST" and request.path == self._path, "no_service")
            need(request.headers.get("Content-Type", "").startswith("application/json"), "invalid_payload")
            message = json.loads(request.body)
            need(isinstance(message, dict), "invalid_payload")
            self._check(message)
        except (Wrong, ValueError) as error:
            return self._refused(str(error))
        self.posted.append(message)
        return self._taken


def need(holds: Any, otherwise: str) -> None:
    if not holds:
        raise Wrong(otherwise)


def text_of(value: Any, most: int, otherwise: str) -> None:
    need(isinstance(value, str) and 0 < len(value) <= most, otherwise)


# --- Slack --------------------------------------------------------------------------------------------------------


def slack() -> Chat:
    return Chat(
        _slack, path="/services/T0/B0/secret", taken=Answer(200, b"ok"), refused=lambda why: Answer(400, why.encode())
    )


def _slack(message: Any) -> None:
    need(message.keys() & {"text", "blocks", "attachments"}, "no_text")
    known = {"text", "blocks", "attachments", "thread_ts", "mrkdwn", "response_type", "unfurl_links", "unfurl_media"}
    need(not message.keys() - known, "invalid_payload")
    if "text" in message:
        text_of(message["text"], 40_000, "no_text")
    blocks = message.get("blocks", [])
    need(isinstance(blocks, list) and len(blocks) <= 50, "invalid_blocks")
    for block in blocks:
        _slack_block(block)


def _slack_block(block: Any) -> None:
    need(isinstance(block, dict), "invalid_blocks")
    match block.get("type"):
        case "header":
            need(not block.keys() - {"type", "text", "block_id"}, "invalid_blocks")
            _slack_text(block.get("text"), {"plain_text"}, 150)
        case "section":
            need(not block.keys() - {"type", "text", "fields", "accessory", "block_id"}, "invalid_blocks")
            need(block.get("text") or block.get("fields"), "invalid_blocks")
            if "text" in block:
                _slack_text(block["text"], {"plain_text", "mrkdwn"}, 3000)
            fields = block.get("fields", [])
            need(isinstance(fields, list) and len(fields) <= 10, "invalid_blocks")
            for field in fields:
                _slack_text(field, {"plain_text", "mrkdwn"}, 2000)
        case "divider":
            need(not block.keys() - {"type", "block_id"}, "invalid_blocks")
        case _:
            raise Wrong("invalid_blocks")


def _slack_text(value: Any, kinds: set[str], most: int) -> None:
    need(isinstance(value, dict) and value.get("type") in kinds, "invalid_blocks")
    text_of(value.get("text"), most, "invalid_blocks")


# --- Discord ------------------------------------------------------------------------------------------------------


def discord() -> Chat:
    def refused(why: str) -> Answer:
        return Answer(400, json.dumps({"message": why, "code": 50006 if "empty" in why else 50035}).encode())

    return Chat(_discord, path="/api/webhooks/1/secret", taken=Answer(204, b""), refused=refused)


def _discord(message: Any) -> None:
    known = {"content", "embeds", "username", "avatar_url", "tts", "allowed_mentions", "flags"}
    need(not message.keys() - known, "Invalid Form Body")
    need(message.get("content") or message.get("embeds"), "Cannot send an empty message")
    if "content" in message:
        text_of(message["content"], 2000, "Invalid Form Body")
    embeds = message.get("embeds", [])
    need(isinstance(embeds, list) and len(embeds) <= 10, "Invalid Form Body")
    for embed in embeds:
        need(isinstance(embed, dict), "Invalid Form Body")
        if "title" in embed:
            text_of(embed["title"], 256, "Invalid Form Body")
        if "timestamp" in embed:
            datetime.fromisoformat(embed["timestamp"])
        fields = embed.get("fields", [])
        need(isinstance(fields, list) and len(fields) <= 25, "Invalid Form Body")
        for field in fields:
            text_of(field.get("name"), 256, "Invalid Form Body")
            text_of(field.get("value"), 1024, "Invalid Form Body")
            need(isinstance(field.get("inline", False), bool), "Invalid Form Body")
    mentions = message.get("allowed_mentions", {})
    need(isinstance(mentions, dict) and isinstance(mentions.get("parse", []), list), "Invalid Form Body")


# --- Teams --------------------------------------------------------------------------------------------------------


def teams() -> Chat:
    def refused(why: str) -> Answer:
        return Answer(400, json.dumps({"error": {"code": "TriggerInputSchemaMismatch", "message": why}}).encode())

    return Chat(_teams, path="/workflows/1/triggers/manual/paths/invoke", taken=Answer(202, b""), refused=refused)


CARD = "application/vnd.microsoft.card.adaptive"


def _teams(message: Any) -> None:
    need(message.get("type") == "message", "type must be message")
    attachments = message.get("attachments")
    need(isinstance(attachments, list) and attachments, "attachments are required")
    for attachment in attachments or []:
        need(attachment.get("contentType") == CARD, "contentType must be an adaptive card's")
        card = attachment.get("content")
        need(isinstance(card, dict) and card.get("type") == "AdaptiveCard", "content must be an AdaptiveCard")
        need(card.get("version") in {"1.0", "1.1", "1.2", "1.3", "1.4"}, "version must be a string up to 1.4")
        need(isinstance(card.get("body"), list) and card["body"], "a card needs a body")
        for element in card["body"]:
            _element(element)
    need(len(json.dumps(message)) <= 28 * 1024, "the message is larger than 28 KB")


def _element(element: Any) -> None:
    match element.get("type"):
        case "TextBlock":
            text_of(element.get("text"), 10_000, "a TextBlock needs text")
            need(element.get("size", "Default") in {"Default", "Small", "Medium", "Large", "ExtraLarge"}, "size")
            need(element.get("weight", "Default") in {"Default", "Lighter", "Bolder"}, "weight")
        case "FactSet":
            need(isinstance(element.get("facts"), list) and element["facts"], "a FactSet needs facts")
            for fact in element["facts"]:
                text_of(fact.get("title"), 1000, "a fact needs a title")
                text_of(fact.get("value"), 1000, "a fact needs a value")
        case kind:
            raise Wrong(f"no element {kind}")
