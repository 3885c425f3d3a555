"""Celery's side of the shop."""

from __future__ import annotations

from celery import shared_task

from deliveries.db.sessions import borrowed
from examples.storefront import services


@shared_task(name="storefront.expire_downloads", ignore_result=True)
def expire_downloads() -> None:
    """Close the links whose time is up, so that `download.expired` is published though nobody clicks them."""
    with borrowed():
        while services.expire_downloads() == services.EXPIRED_AT_ONCE:
            pass
