"""The host's Celery application, with a task and a schedule of its own."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = {"count orders": {"task": "orders.count", "schedule": 3600.0}}
app.autodiscover_tasks()

if not os.environ.get("BEFORE"):
    from deliveries.worker.schedule import beat_schedule

    app.conf.beat_schedule |= beat_schedule()
