"""`GET webhooks/{id}/feed`: a program of the merchant's fetches the events of a webhook of the kind `pull`."""

from __future__ import annotations

from typing import Final

from drf_spectacular.utils import OpenApiParameter
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.queueing import feeds
from deliveries.queueing.feeds import Cursor
from deliveries.recording import feed
from deliveries.recording.feed import Item, Page
from subscriptions.api import lookups, pagination, shaping
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.errors import Conflict, InvalidQuery
from subscriptions.api.serializers import ApiSerializer, eg
from subscriptions.awaited import Wait, is_possible, put_off
from subscriptions.models import Webhook
from subscriptions.webhook_rules import PULL

WAIT_MAX: Final = 30
"""Seconds that a request may wait for an event."""
_AFTER: Final = "1042-1705332600-YM1MF0"
_GO_ON: Final = (
    "Ask without `after` to go on: the feed then begins with the oldest event that was not acknowledged. Others are in "
    "the log (GET deliveries); those that you miss can be replayed, and come again."
)


class Gone(exceptions.APIException):
    """The cursor leads nowhere."""

    status_code = 410
    default_code = "unknown_cursor"


class MessageSerializer(ApiSerializer):
    """An event as your endpoint would have received it."""

    id = eg(
        serializers.CharField(allow_null=True, help_text="The delivery's; null for a test."),
        "dlv_01HA4XCG6Y0M2QW8JX5T7VBN3K",
    )
    event_id = eg(serializers.CharField(), "evt_01HA4XCG6X8F0Z5R9T2V4W6Y8A")
    event = eg(serializers.CharField(), "order.created")
    cursor = eg(serializers.CharField(help_text="As `after` it acknowledges this event and all before it."), _AFTER)
    headers = eg(
        serializers.DictField(
            child=serializers.CharField(), help_text="With the signature, made at the moment of this answer."
        ),
        {"Content-Type": "application/json", "webhook-id": "evt_01HA4XCG6X8F0Z5R9T2V4W6Y8A"},
    )
    body = eg(serializers.CharField(help_text="The exact text that is signed."), '{"event":"order.created"}')

    def show_cursor(self, item: Item) -> str:
        """Return the cursor as text."""
        return str(item.cursor)

    def show_headers(self, item: Item) -> dict[str, str]:
        """Return names and values."""
        return dict(item.request.headers)

    def show_body(self, item: Item) -> str:
        """Return the body as text; every dialect's is UTF-8."""
        return item.request.body.decode()


class FeedSerializer(ApiSerializer):
    """The next events of a feed."""

    cursor = eg(
        serializers.CharField(help_text="What to give as `after` once you are done with these; there always is one."),
        _AFTER,
    )
    is_paused = serializers.BooleanField(help_text="True: the webhook is paused, and gives nothing until resumed.")
    results = MessageSerializer(source="items", many=True)

    def show_cursor(self, page: Page) -> str:
        """Return the cursor as text."""
        return str(page.cursor)

    def show_is_paused(self, page: Page) -> bool:
        """Tell whether it is paused."""
        return bool(self.context["is_paused"])


class Feed(ApiView):
    """The feed of a webhook."""

    scopes = {"GET": "receive", "HEAD": "receive"}
    limit_kinds = {"GET": "feed", "HEAD": "feed"}
    query = ("after", "limit", "wait")

    @describe(
        "Fetch a webhook's events",
        answer=FeedSerializer,
        parameters=[
            OpenApiParameter(
                "after",
                {"type": "string", "pattern": feeds.CURSOR},
                description="The `cursor` of the answer before, or of its last event you are done with: it "
                "acknowledges all up to there. Left out: nothing is acknowledged, and the feed begins with the oldest "
                "event that wasn't.",
            ),
            OpenApiParameter(
                "limit",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": pagination.PAGE_MAX,
                    "default": pagination.PAGE_DEFAULT,
                },
                description="Events an answer.",
            ),
            OpenApiParameter(
                "wait",
                {"type": "integer", "minimum": 0, "maximum": WAIT_MAX, "default": 0},
                description="Seconds that the answer may wait for an event, where there is none.",
            ),
        ],
    )
    def get(self, request: Request, id: str) -> Response:
        """Return the next events of a webhook of the kind `pull`, in order, each signed as an endpoint would get it.

        Give the `cursor` of an answer as `after` of the next request once you are done with its events: what it
        acknowledges is then delivered, and shown so in the log. What wasn't acknowledged comes again, so every event
        comes at least once; drop repetitions by the id. An older cursor gives what followed on it once more. The
        events are in every answer, also where `fields` leaves them out: the cursor acknowledges them.

        410 for a cursor that is no one of this feed, or so old that what followed may have been purged; the error says
        how to go on. 409 for a webhook of another kind, and while it is disabled. 429 where too many requests of yours
        wait.
        """
        limit, wait = pagination.limit_of(request), _wait_of(request)
        webhook = lookups.one(self.merchant.webhooks.alive(), id)
        _refuse_others(webhook)
        raw = request.query_params.get("after")
        try:
            after = None if raw is None else Cursor.read(raw, webhook)
            page = feed.fetch_page(webhook, after, limit, self.credential.by)
        except feeds.UnknownCursor:
            raise Gone(f"This is no cursor of this feed. {_GO_ON}") from None
        except feeds.ExpiredCursor:
            raise Gone(f"What followed on this cursor may have been purged since. {_GO_ON}", "expired_cursor") from None
        data = FeedSerializer(page, context={"is_paused": webhook.paused_at is not None}).data
        chosen = shaping.chosen_fields(request)  # never without the events: the cursor would acknowledge them unseen
        response = Response(shaping.reduce(data, list(dict.fromkeys([*chosen, "results"])) if chosen else []))
        if wait and not page.items and request.method == "GET" and is_possible(request._request):
            put_off(response, Wait(webhook.pk, webhook.merchant_id, wait, self.quota))
        return response


def _wait_of(request: Request) -> int:
    raw = request.query_params.get("wait", "0")
    if not (raw.isascii() and raw.isdigit() and len(raw) < 4 and int(raw) <= WAIT_MAX):
        raise InvalidQuery({"wait": [f"Give a whole number of seconds from 0 to {WAIT_MAX}."]})
    return int(raw)


def _refuse_others(webhook: Webhook) -> None:
    """Raise Conflict (409) where there is no feed, or none at present."""
    if webhook.kind != PULL:
        raise Conflict(
            f"Events of this webhook are sent; it is of the kind {webhook.kind}. Only one of the kind pull has a feed."
        )
    if not webhook.is_enabled:
        why = f" ({webhook.disabled_reason.rstrip('.')})" if webhook.disabled_reason else ""
        raise Conflict(f"The webhook is disabled{why}, so events are skipped. Enable it to go on.")
