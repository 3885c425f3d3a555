"""Celery's side of the door: tasks load, call and route; the logic lies beside them."""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task

from deliveries import lanes, shift


@shared_task(bind=True, name=lanes.TASK, ignore_result=True, acks_late=False, max_retries=0)
def deliver(self: Task[Any, Any], webhook_ids: list[int]) -> None:
    """Work the lanes of these webhooks and whatever else is ready. The ids are a hint: it may be doubled or lost."""
    shift.work(webhook_ids, slow=_queue(self) == lanes.SLOW)


def _queue(task: Task[Any, Any]) -> str:
    return (task.request.delivery_info or {}).get("routing_key") or lanes.FAST
