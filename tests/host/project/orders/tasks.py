"""The host's own task."""

from celery import shared_task

from orders.models import Order


@shared_task(name="orders.count")
def count():
    return Order.objects.count()
