"""The engine's Celery task. It calls the dispatcher; the logic lies there."""

from __future__ import annotations

from celery import shared_task

from deliveries.queueing import wakeups
from deliveries.worker import dispatcher


@shared_task(name=wakeups.TASK, queue=wakeups.QUEUE, ignore_result=True, acks_late=False, max_retries=0)
def deliver(webhook_ids: list[int]) -> None:
    """Bring a dispatcher on duty that looks at these webhooks, and at whatever else is ready.

    A message names webhooks and nothing else: lost, doubled or late ones cost time only.
    """
    dispatcher.work(webhook_ids)
