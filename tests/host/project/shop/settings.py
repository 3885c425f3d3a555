"""The host's settings. With BEFORE set they are as they were before webhooks were installed."""

import os
from pathlib import Path
from urllib.parse import urlsplit

BASE_DIR = Path(__file__).resolve().parent.parent
BEFORE = bool(os.environ.get("BEFORE"))
SECRET_KEY = "the host's own, and only for its tests, which is long enough"
DEBUG = True
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "people",
    "orders",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "shop.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
address = urlsplit(os.environ["DATABASE_URL"])
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": address.path[1:],
        "USER": address.username,
        "PASSWORD": address.password,
        "HOST": address.hostname,
        "PORT": address.port,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "people.Person"
USE_TZ = True
STATIC_URL = "static/"
REST_FRAMEWORK = {"DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"], "DATE_FORMAT": "%d.%m.%Y"}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"host": {"format": "HOST %(name)s %(message)s"}},
    "handlers": {"host": {"class": "logging.StreamHandler", "formatter": "host"}},
    "root": {"handlers": ["host"], "level": "INFO"},
}
CELERY_BROKER_URL = os.environ["REDIS_URL"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

if not BEFORE:
    INSTALLED_APPS += ["subscriptions", "deliveries", "unfold.apps.BasicAppConfig", "unfold.contrib.filters"]
    MERCHANT_WEBHOOKS = {
        "REDIS_URL": os.environ["REDIS_URL"],
        "ENCRYPTION_KEYS": ["b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtLS0="],
        "ALLOWED_NETWORKS": ["127.0.0.0/8"],
        "REQUIRE_HTTPS": False,
        "EVENT_TYPES": [str(BASE_DIR / "orders" / "host.json")],
        "CATALOGUES": ["litestore"],
    }
