"""The Celery application: `celery -A webhooks_project worker`."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")

app = Celery("webhooks_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.worker_consumer = "webhooks_project.consumer:PatientConsumer"
app.steps["consumer"].add("webhooks_project.pulse:Pulse")
app.autodiscover_tasks()


@setup_logging.connect
def keep_djangos_logging(**_kwargs: object) -> None:
    """Leave logging as Django's settings made it; connecting this signal is how Celery is told not to."""


@worker_init.connect
@beat_init.connect
def say_what_is_unknown(**_kwargs: object) -> None:
    """Write to the log what the environment sets in vain."""
    from webhooks_project import startup

    startup.name_unknown_variables()


@worker_init.connect
@beat_init.connect
def stop_where_sizes_cannot_work(**_kwargs: object) -> None:
    """Start nothing whose database sessions the database can't give."""
    from webhooks_project import startup

    startup.look_at_sizes(1)


@worker_init.connect
def report_as_worker(**_kwargs: object) -> None:
    """Begin to report errors and spans, where that is set."""
    _report("worker")


@beat_init.connect
def report_as_beat(**_kwargs: object) -> None:
    """Begin to report errors, where that is set."""
    _report("beat")


def _report(role: str) -> None:
    from webhooks_project import telemetry  # Celery's application is made while the settings are read

    telemetry.set_up(role)
