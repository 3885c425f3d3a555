"""Django's handle on the host's app, which says what of it is an event."""

from django.apps import AppConfig
from django.conf import settings


class OrdersConfig(AppConfig):
    name = "orders"

    def ready(self):
        if settings.BEFORE:
            return
        from deliveries.publishing import becomes, publishes
        from orders.models import Order

        publishes("order.created", on=Order, when="created", data=payload, merchant="shop.merchant")
        publishes("order.shipped", on=Order, when=becomes(status="shipped"), data=payload, merchant="shop.merchant")


def payload(order):
    return {"order": {"id": str(order.pk), "number": order.number, "total": order.total}}
