"""The shop's orders over the API: placed, and taken as far as is asked, as by `manage.py place_order`."""

from __future__ import annotations

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from examples.storefront import counter, payloads
from examples.storefront.models import Order, Product
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.serializers import ApiSerializer, Text, eg
from subscriptions.ids import CALLER_ID


class NewOrderSerializer(ApiSerializer):
    """What is bought, one product, by default the shop's first; and what is done with the order then."""

    product_id = eg(Text(max_length=64, required=False), "prod_123")
    steps = eg(
        serializers.ListField(
            child=Text(max_length=20),
            required=False,
            max_length=len(counter.STEPS),
            help_text=f"Of {', '.join(counter.STEPS)}, one after the other.",
        ),
        ["pay", "fulfil"],
    )


class OrderSerializer(ApiSerializer):
    """An order."""

    id = eg(serializers.CharField(source="public_id"), "ord_123")
    number = eg(serializers.CharField(), "1045")
    total = eg(serializers.CharField(help_text="With two digits after the point."), "49.99")
    currency = eg(serializers.CharField(), "USD")
    financial_status = eg(serializers.ChoiceField(choices=Order.FinancialStatus.values), "paid")
    fulfillment = eg(serializers.ChoiceField(choices=Order.Fulfillment.values), "fulfilled")

    def show_total(self, order: Order) -> str:
        """Return the amount as receivers of events get it."""
        return payloads.money(order.total)


class OrderList(ApiView):
    """A merchant's orders."""

    @extend_schema(tags=["alva"])
    @describe("Place an order", body=NewOrderSerializer, answer=OrderSerializer, codes=(201,))
    def post(self, request: Request) -> Response:
        """Place an order of one product, as the example shop's customer, and pay, fulfil, download or refund it.

        It is published as `order.created`, and each step as its events. 422 when the product is not the merchant's, or
        a step makes no sense after those before it; nothing is stored then.
        """
        body = self.body(NewOrderSerializer)
        with transaction.atomic():
            order = counter.order(self.merchant, self._product(body.get("product_id")))
            for step in body.get("steps", ()):
                self._take(order, step)
        return Response(OrderSerializer(order).data, status.HTTP_201_CREATED)

    def _product(self, wanted: str | None) -> Product | None:
        if wanted is None:
            return None
        rows = Product.objects.filter(merchant=self.merchant, public_id=wanted)
        product = rows.first() if CALLER_ID.fullmatch(wanted) else None
        if product is None:
            raise ValidationError({"product_id": [f"There is no product {wanted!r} here."]})
        return product

    def _take(self, order: Order, step: str) -> None:
        if step not in counter.steps_of(order):
            raise ValidationError({"steps": [f"An order can't take the step {step!r} here."]})
        counter.STEPS[step][1](order)
        order.refresh_from_db()
