"""Start and stop of a worker process: the scheduler starts with it; what is open is finished at its end."""

from __future__ import annotations

import gc
import threading
import time
from typing import Any

from celery import current_app
from celery.signals import task_postrun, task_prerun, worker_ready, worker_shutdown, worker_shutting_down

from deliveries import meters
from deliveries.db.sessions import borrowed
from deliveries.maintenance import calls
from deliveries.queueing import broker, wakeups
from deliveries.worker.engine import engine
from deliveries.worker.scheduler import Scheduler
from deliveries.worker.vitals import vitals
from subscriptions import tallies
from subscriptions.conf import settings
from subscriptions.logs import get_logger

log = get_logger(__name__)

GRACE = 25.0
"""Seconds to finish what is open: less than the 30 s that every process file grants."""

GC_THRESHOLD = 20_000
"""New objects between collections of the young generation; the default of 700 comes around several times a claim."""

_schedulers: list[Scheduler] = []
_task = threading.local()


def connect() -> None:
    """Connect to Celery's signals; called once when the app is ready."""
    worker_ready.connect(_start, dispatch_uid="deliveries.worker")
    worker_shutting_down.connect(_stop_claiming, dispatch_uid="deliveries.worker")
    worker_shutdown.connect(_finish, dispatch_uid="deliveries.worker")
    task_prerun.connect(_note_begin, dispatch_uid="deliveries.worker")
    task_postrun.connect(_meter_end, dispatch_uid="deliveries.worker")


def _start(sender: Any, **_kwargs: Any) -> None:
    queues = frozenset(sender.app.amqp.queues.consume_from)
    if not queues & {wakeups.QUEUE, broker.HOUSEKEEPING}:
        return  # a worker of the project's own: nothing of ours runs there
    from deliveries.worker import control  # registers a command; loads much of Celery's worker

    if wakeups.QUEUE in queues and "prefork" in type(sender.pool).__module__:
        log.error("wrong_pool", queue=wakeups.QUEUE, fix="Start this worker with -P threads: a dispatcher serves many.")
    # What was loaded so far stays: a full collection would stop the sending threads to walk it all again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    scheduler = Scheduler(works=wakeups.QUEUE in queues)
    _schedulers.append(scheduler)
    scheduler.start()
    _watch(sender, queues)
    control.learn()
    log.info("worker_ready", queues=sorted(queues), worker=wakeups.WORKER_ID)


def _watch(consumer: Any, queues: frozenset[str]) -> None:
    """Have it noticed when the process takes no tasks; only the service has a place for health files."""
    from celery.worker import state  # loads much that other processes don't need

    vitals.queues = queues
    vitals.has_room = lambda: len(state.reserved_requests) < consumer.pool.num_processes
    vitals.start(getattr(settings, "STATE_DIR", None))


def _note_begin(task: Any, **_kwargs: Any) -> None:
    """Let beat know that its call has arrived. Celery logs what this raises, and goes on."""
    _task.began = time.monotonic()
    vitals.note_taken()
    if current_app.conf.beat_scheduler != calls.SCHEDULER:
        return  # a project's own beat remembers its calls elsewhere
    if entries := [name for name, entry in current_app.conf.beat_schedule.items() if entry["task"] == task.name]:
        with borrowed():
            calls.begun(entries)


def _meter_end(task: Any, **given: Any) -> None:
    if task.name == wakeups.TASK or not task.name.startswith("deliveries."):
        return  # the dispatcher, or a task of the project's own
    counts = {meters.TASKS.field(task.name, "success" if given.get("state") == "SUCCESS" else "failure"): 1}
    meters.TASK_TIMES.add_to(counts, time.monotonic() - getattr(_task, "began", time.monotonic()))
    tallies.keep_all(counts)


def _stop_claiming(**_kwargs: Any) -> None:
    if _schedulers:
        engine().begin_stop()


def _finish(**_kwargs: Any) -> None:
    if not _schedulers:
        return
    finished = engine().stop(GRACE)
    for scheduler in _schedulers:
        scheduler.stop()
    vitals.stop()
    tallies.bring()
    log.info("worker_stopped", finished=finished)
