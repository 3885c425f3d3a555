"""A shop that stood before webhooks were installed: own accounts, own Celery application, Django's plain admin."""

from shop.celery import app as celery_app

__all__ = ["celery_app"]
