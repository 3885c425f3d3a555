"""Prints what the host has by itself, as JSON: run before and after webhooks were installed, it must be the same."""

import json
import logging
import os
import re
import warnings

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django.setup()

from celery import signals  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib import admin  # noqa: E402
from django.contrib.admin.models import LogEntry  # noqa: E402
from django.db import transaction  # noqa: E402
from django.test import Client  # noqa: E402
from people.models import Person  # noqa: E402
from shop.celery import app  # noqa: E402

OURS = ("webhooks_subscriptions", "webhooks_deliveries")


def loggers() -> dict:
    root = logging.getLogger()
    named = {
        name: [logger.level, logger.propagate, [type(each).__name__ for each in logger.handlers]]
        for name, logger in root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and (logger.level or logger.handlers or not logger.propagate)
    }
    return {"root": [root.level, [each.formatter._fmt for each in root.handlers]], **named}


def pages() -> dict:
    with transaction.atomic():
        Person.objects.all().delete()  # undone below, as all of this
        person = Person.objects.create_superuser("root@host.example", "root")
        client = Client()
        client.force_login(person)
        found = {}
        for path in ("", "people/person/", f"people/person/{person.pk}/change/", "orders/order/", "password_change/"):
            answer = client.get(f"/admin/{path}")
            text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"|\d+', "", answer.content.decode())
            found[re.sub(r"\d+", "N", path)] = [answer.status_code, text]
        found["/admin/login/"] = [Client().get("/admin/login/").status_code]
        found["/dates/"] = client.get("/dates/").json()
        transaction.set_rollback(True)
    return found


app.loader.import_default_modules()
with warnings.catch_warnings(record=True):
    print(
        json.dumps(
            {
                "admin": {model._meta.label: str(type(each)) for model, each in admin.site._registry.items()},
                "site": [str(type(admin.site)), admin.site.index_template, str(admin.site.index_title)],
                "loggers": loggers(),
                "tasks": sorted(name for name in app.tasks if not name.startswith("deliveries.")),
                "queue": [app.conf.task_default_queue, str(app.conf.task_routes), app.conf.beat_scheduler],
                "schedule": sorted(name for name in app.conf.beat_schedule if not name.startswith("webhooks: ")),
                "logging of workers": len(signals.setup_logging.receivers or []),
                "templates": repr(settings.TEMPLATES),
                "user": settings.AUTH_USER_MODEL,
                "changes": LogEntry.objects.count(),
                "pages": pages(),
            },
            indent=1,
            sort_keys=True,
        )
    )
