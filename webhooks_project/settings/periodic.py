"""Settings of upkeep: how mail is sent, and what beat calls when."""

from __future__ import annotations

from deliveries.worker.schedule import beat_schedule
from webhooks_project import env
from webhooks_project.settings import example_shop

# --- mail: what Django's SMTP backend asks for ----------------------------------------------------------------------

EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.whole("EMAIL_PORT", 25, minimum=1, maximum=65535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.secret("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", default=False)
EMAIL_TIMEOUT = env.whole("EMAIL_TIMEOUT", 10, minimum=1)

# --- what beat calls ------------------------------------------------------------------------------------------------

CELERY_BEAT_SCHEDULE = beat_schedule(prefix="") | (example_shop.SCHEDULE if example_shop.APPS else {})
