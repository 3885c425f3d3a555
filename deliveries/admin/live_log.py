"""The delivery log while it stays open: its open deliveries as they are now, and those that came since."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest
from django.utils.html import conditional_escape
from unfold.utils import display_for_label

from deliveries.admin import labels
from deliveries.admin.delivery_columns import OF_ATTEMPTS
from deliveries.admin.keyset_pages import NEXT, PREVIOUS
from deliveries.models import Delivery
from subscriptions import desk
from subscriptions.admin import list_tools
from subscriptions.admin.own_rows import KEY_DIGITS

FOLLOWED_MAX: Final = 60
"""Deliveries of a page that one refresh asks for."""
NEW_MAX: Final = 50
"""New deliveries that one refresh returns, the newest."""


def context(request: HttpRequest, changelist: Any) -> dict[str, Any]:
    """Return what the list's page tells the script: the open rows, and the newest where the list grows at its top."""
    rows = changelist.result_list
    is_first_page = not request.GET.get(NEXT) and not request.GET.get(PREVIOUS)
    grows = is_first_page and not list_tools.chips(changelist.filter_specs, request.GET)
    return {
        "url": desk.reverse("webhooks_deliveries_delivery_live"),
        "open": " ".join(str(row.pk) for row in rows if row.is_open),
        "newest": max((row.pk for row in rows), default=0) if grows else "",
        "rows": changelist.list_per_page,
    }


def refresh(model_admin: Any, request: HttpRequest) -> dict[str, Any]:
    """Return the rows that the address asks for, each with its cells as HTML. One query."""
    keys = [int(word) for word in request.GET.get("open", "").split()[:FOLLOWED_MAX] if _is_key(word)]
    newest = request.GET.get("newest", "")
    own = model_admin.scope(request, Delivery.objects.values("pk"))
    wanted = own.filter(pk__in=keys)
    if _is_key(newest):  # each by its own index: of an OR, PostgreSQL may go through all that is older
        wanted = wanted.union(own.filter(pk__gt=int(newest)).order_by("-pk")[:NEW_MAX])
    rows = Delivery.objects.filter(pk__in=wanted).select_related("webhook", "merchant", "event").defer("event__data")
    found = list(rows.order_by("-pk"))
    # What needs a query more stays as it is until the page is opened anew.
    columns = [name for name in model_admin.get_list_display(request) if name not in OF_ATTEMPTS]
    return {"rows": [_row(model_admin, row, columns) for row in found]}


def _row(model_admin: Any, row: Delivery, columns: list[str]) -> dict[str, Any]:
    return {
        "id": row.pk,
        "is_open": row.is_open,
        "url": desk.reverse("webhooks_deliveries_delivery_change", row.pk),
        "details": desk.reverse("webhooks_deliveries_delivery_row", row.pk),
        "cells": {name: _cell(model_admin, row, name) for name in columns},
    }


def _cell(model_admin: Any, row: Delivery, name: str) -> str:
    if name == "outcome":
        return str(display_for_label(model_admin.outcome(row), "", labels.TONES))
    shown = getattr(model_admin, name)(row) if hasattr(model_admin, name) else getattr(row, name)
    return str(conditional_escape(shown))


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= KEY_DIGITS
