"""The WSGI entry, for those who bring a WSGI server of their own; ours is `python -m webhooks_project.server`."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from webhooks_project import telemetry
from webhooks_project.postgresql.base import limit_statements

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")

application = get_wsgi_application()
limit_statements(settings.WEB_STATEMENT_SECONDS)
telemetry.set_up("web")
