"""Settings of upkeep: what is kept how long, who is told what, and what beat calls when."""

from __future__ import annotations

from typing import Any

from webhooks_project import env

# --- retention: days; 0 keeps for ever. What is open or in review is never touched ---------------------------------

WEBHOOKS_KEEP_BODIES = env.whole("WEBHOOKS_KEEP_BODIES", 30)
WEBHOOKS_KEEP_PAYLOADS = env.whole("WEBHOOKS_KEEP_PAYLOADS", 0)
WEBHOOKS_KEEP_ATTEMPTS = env.whole("WEBHOOKS_KEEP_ATTEMPTS", 90)
WEBHOOKS_KEEP_DELIVERIES = env.whole("WEBHOOKS_KEEP_DELIVERIES", 90)
WEBHOOKS_KEEP_EVENTS = env.whole("WEBHOOKS_KEEP_EVENTS", 90)
WEBHOOKS_KEEP_COUNTERS = env.whole("WEBHOOKS_KEEP_COUNTERS", 400)  # by the hour
WEBHOOKS_KEEP_FINE_COUNTERS = env.whole("WEBHOOKS_KEEP_FINE_COUNTERS", 14, minimum=1)  # charts of six hours need them
WEBHOOKS_KEEP_NOTICES = env.whole("WEBHOOKS_KEEP_NOTICES", 90)
WEBHOOKS_KEEP_JOBS = env.whole("WEBHOOKS_KEEP_JOBS", 90)
WEBHOOKS_KEEP_IDEMPOTENCY_KEYS = env.whole("WEBHOOKS_KEEP_IDEMPOTENCY_KEYS", 2, minimum=2)  # they count for 24 h
WEBHOOKS_KEEP_DEBOUNCE = env.whole("WEBHOOKS_KEEP_DEBOUNCE", 90)  # what webhooks that chose fields were last sent
WEBHOOKS_KEEP_EXPUNCTIONS = env.whole("WEBHOOKS_KEEP_EXPUNCTIONS", 0)  # who expunged what and when; no payloads
WEBHOOKS_KEEP_ADMIN_LOG = env.whole("WEBHOOKS_KEEP_ADMIN_LOG", 400)  # who changed what in the admin

# --- notices --------------------------------------------------------------------------------------------------------

WEBHOOKS_BASE_URL = env.text("WEBHOOKS_BASE_URL", "http://localhost:8000").rstrip("/")
WEBHOOKS_NOTICE_WAIT = env.seconds("WEBHOOKS_NOTICE_WAIT", 30.0)
WEBHOOKS_NOTICE_INTERVAL = env.seconds("WEBHOOKS_NOTICE_INTERVAL", 3600.0)
WEBHOOKS_FAILURE_RATE = env.whole("WEBHOOKS_FAILURE_RATE", 50, minimum=1, maximum=100)
WEBHOOKS_FAILURE_RATE_ATTEMPTS = env.whole("WEBHOOKS_FAILURE_RATE_ATTEMPTS", 20, minimum=1)
WEBHOOKS_FAILURE_RATE_WINDOW = env.seconds("WEBHOOKS_FAILURE_RATE_WINDOW", 900.0, minimum=300.0)

# --- the automatic pause; 0 failures turn it off ----------------------------------------------------------------------

WEBHOOKS_AUTO_PAUSE_FAILURES = env.whole("WEBHOOKS_AUTO_PAUSE_FAILURES", 50)
WEBHOOKS_AUTO_PAUSE_AFTER = env.seconds("WEBHOOKS_AUTO_PAUSE_AFTER", 3600.0)
WEBHOOKS_PROBE_WAIT = env.seconds("WEBHOOKS_PROBE_WAIT", 300.0, minimum=1.0)
WEBHOOKS_PROBE_WAIT_MAX = env.seconds("WEBHOOKS_PROBE_WAIT_MAX", 3600.0, minimum=1.0)

# --- mail: what Django's SMTP backend asks for ----------------------------------------------------------------------

EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.whole("EMAIL_PORT", 25, minimum=1, maximum=65535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", default=False)
EMAIL_TIMEOUT = env.whole("EMAIL_TIMEOUT", 10, minimum=1)

# --- what beat calls, all on the queue `housekeeping`; nothing that must be on time hangs on it ---------------------


def _every(seconds: float, task: str) -> dict[str, Any]:
    # No `expires`: beat's clock would set it, and a worker's clock decide. Calls that wait for a worker don't pile up.
    return {"task": task, "schedule": seconds, "options": {"queue": "housekeeping"}}


CELERY_BEAT_SCHEDULE = {
    "tell": _every(15.0, "deliveries.tell"),
    "probe": _every(15.0, "deliveries.probe"),
    "resume jobs": _every(60.0, "deliveries.resume_jobs"),
    "look for stuck rows": _every(600.0, "deliveries.look_for_stuck_rows"),
    "purge": _every(120.0, "deliveries.purge"),
    "clear sessions": _every(86_400.0, "deliveries.clear_sessions"),
    "expire downloads": _every(60.0, "storefront.expire_downloads"),
}
