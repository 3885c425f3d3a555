"""The shop beside what it causes: buttons that order, pay, refund and upload, and the deliveries that follow."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from deliveries.admin import labels, live, webhook_health, webhook_overview
from deliveries.models import DeadLetter, Delivery, Event
from examples.storefront import counter
from examples.storefront.models import Order, Product
from subscriptions.admin.scoping import DEVELOPER, only, own_merchants
from subscriptions.models import Merchant, Webhook

ORDERS_SHOWN: Final = 5
DELIVERIES_SHOWN: Final = 15
WEBHOOKS_SHOWN: Final = 10
REFRESHED_MS: Final = 1500
"""Milliseconds between two looks of the open page."""


def shop(request: HttpRequest) -> HttpResponse:
    """Show the shop (GET), or do what a button says (POST). Raises PermissionDenied for who may change no shop."""
    merchant = own_merchants(request, DEVELOPER).filter(is_active=True).order_by("pk").first()
    if merchant is None:
        raise PermissionDenied
    if request.method == "POST":
        try:
            messages.success(request, _do(merchant, request.POST.get("do", ""), request.POST.get("of", "")))
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        return HttpResponseRedirect(reverse("shop"))
    return TemplateResponse(request, "storefront/shop.html", _context(request, merchant))


def _do(merchant: Merchant, what: str, of: str) -> str:
    """Do what a button says and return what was done. Raises ValidationError."""
    key = int(of) if of.isascii() and of.isdigit() and len(of) < 19 else 0
    if what == "order":
        product = Product.objects.filter(merchant=merchant, pk=key).first()
        return f"Order {counter.order(merchant, product).number} is placed."
    if what == "upload":
        return f"{counter.upload(merchant).filename} is uploaded."
    order = Order.objects.filter(merchant=merchant, pk=key).first()
    if what not in counter.STEPS or order is None:
        raise ValidationError("There is no such order, or nothing of the kind can be done with it.")
    label, act = counter.STEPS[what]
    act(order)
    return f"{label}: order {order.number}."


def _context(request: HttpRequest, merchant: Merchant) -> dict[str, Any]:
    products = counter.goods(merchant)
    orders = Order.objects.filter(merchant=merchant).order_by("-pk")[:ORDERS_SHOWN]
    return {
        **admin.site.each_context(request),
        "title": "Shop",
        "products": products,
        "orders": [(order, [(word, counter.STEPS[word][0]) for word in counter.steps_of(order)]) for order in orders],
        "deliveries": _deliveries(merchant),
        "webhooks": _webhooks(merchant),
        "waiting": DeadLetter.objects.filter(merchant=merchant, resolved_at=None).order_by()[:100].count(),
        "live": {"url": "", "stamp": "", "every": REFRESHED_MS, "ticket": live.ticket(request)},
    }


def _deliveries(merchant: Merchant) -> list[tuple[str, Delivery]]:
    rows = only(Delivery.objects.select_related("webhook"), "merchant_id", merchant.pk)
    events = Prefetch("event", Event.objects.only("public_id", "resource_id"))
    newest = rows.order_by("merchant_id", "-id").prefetch_related(events)[:DELIVERIES_SHOWN]
    return [(labels.TONES.get(row.status, "default"), row) for row in newest]


def _webhooks(merchant: Merchant) -> list[tuple[Webhook, str, str, webhook_health.Figures]]:
    """Return each webhook with its state, the tone of that, and its figures."""
    rows = list(merchant.webhooks.alive().order_by("pk")[:WEBHOOKS_SHOWN])
    found = webhook_health.figures(row.pk for row in rows)
    states = [webhook_overview.state_of(row, is_failing=found[row.pk].is_failing) for row in rows]
    return [(row, state, webhook_overview.TONES[state], found[row.pk]) for row, state in zip(rows, states, strict=True)]
