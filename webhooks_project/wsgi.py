"""The WSGI entry, for those who bring a WSGI server of their own; ours is `python -m webhooks_project.server`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")

application = get_wsgi_application()
