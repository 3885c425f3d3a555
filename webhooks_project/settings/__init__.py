"""Settings, read from the environment through `env`; every variable is listed in `.env.example`."""

from __future__ import annotations

import re
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from subscriptions.options import split
from webhooks_project import brokers, embedded, env
from webhooks_project.settings import admin_theme, databases, development_keys, example_shop, logs
from webhooks_project.settings.periodic import *  # noqa: F403 - mail, beat's schedule
from webhooks_project.settings.web import *  # noqa: F403 - the web process

BASE_DIR = env.BASE_DIR
PACKAGES = Path(__file__).resolve().parents[2]
STATE_DIR = embedded.state_folder()  # data of servers of our own, keys and state; never committed

# --- where we run -----------------------------------------------------------------------------------------------

DATABASE_URL = env.secret("DATABASE_URL")
EMBEDDED = not DATABASE_URL  # nothing but Python: PostgreSQL and Valkey of our own
DEBUG = env.flag("DEBUG", default=EMBEDDED)
STOREFRONT_FIRST = env.flag("STOREFRONT_FIRST", default=False)  # the example shop at /, as in the demo
EMBEDDED_DATABASE = EMBEDDED or embedded.is_announced("postgres", DATABASE_URL)  # as `make run` names it

_generated = development_keys.development_keys(STATE_DIR) if DEBUG else {}
SECRET_KEY = env.secret("SECRET_KEY") or _generated.get("SECRET_KEY", "")
SECRET_KEY_FALLBACKS = env.secrets("SECRET_KEY_FALLBACKS")  # former ones: what they signed is still taken
MERCHANT_WEBHOOKS = env.merchant_webhooks() | {
    "IS_SERVICE": True,
    "ADMIN_SITE": "django.contrib.admin.site",
}  # WEBHOOKS_BODY_MAX in the environment is BODY_MAX here
_keys = MERCHANT_WEBHOOKS["ENCRYPTION_KEYS"] or split(_generated.get("WEBHOOKS_ENCRYPTION_KEYS", ""))
MERCHANT_WEBHOOKS["ENCRYPTION_KEYS"] = _keys
for _name, _value, _expects in (
    ("SECRET_KEY", SECRET_KEY, "a random text of at least 50 characters"),
    ("WEBHOOKS_ENCRYPTION_KEYS", _keys, "Fernet keys, comma-separated, the newest first"),
):
    if not _value:
        raise ImproperlyConfigured(f"{_name} is not set. It expects {_expects}; see .env.example.")

ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
PORTAL_ORIGINS = env.words("PORTAL_ORIGINS")  # whose pages may frame what portal links open
for _origin in PORTAL_ORIGINS:
    if not re.fullmatch(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?", _origin):
        raise ImproperlyConfigured(f"PORTAL_ORIGINS has {_origin!r}. It expects https origins, comma-separated.")

# --- database and Redis -----------------------------------------------------------------------------------------

STATE_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
DATABASES = databases.databases(DATABASE_URL or embedded.running_url("postgres"))
if databases.REPLICA in DATABASES:
    MERCHANT_WEBHOOKS["REPLICA"] = databases.REPLICA

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_redis = MERCHANT_WEBHOOKS["REDIS_URL"] or embedded.running_url("redis") or "redis://127.0.0.1:6379/0"
MERCHANT_WEBHOOKS["REDIS_URL"] = _redis

# --- Celery -----------------------------------------------------------------------------------------------------

_given = env.broker_url()
_broker = brokers.in_celerys_words(_given or _redis)
CELERY_BROKER_URL = _given or _broker.url
if _broker.url != CELERY_BROKER_URL:  # Celery reads CELERY_BROKER_URL from the environment before any setting but these
    CELERY_BROKER_READ_URL = CELERY_BROKER_WRITE_URL = _broker.url
CELERY_BROKER_USE_SSL = _broker.tls
CELERY_BROKER_TRANSPORT_OPTIONS = _broker.options
if _broker.is_amqp:  # see docs/adr/0044
    CELERY_BROKER_HEARTBEAT = brokers.AMQP_HEARTBEAT
    CELERY_TASK_DEFAULT_QUEUE_TYPE = CELERY_TASK_CREATE_MISSING_QUEUE_TYPE = "quorum"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "housekeeping"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_ALWAYS_EAGER = env.flag("CELERY_TASK_ALWAYS_EAGER", default=False)
CELERY_TASK_PUBLISH_RETRY = False  # a wake-up that can't be sent is dropped; the scheduler finds the webhook
CELERY_WORKER_DISABLE_PREFETCH = not _broker.is_amqp
CELERY_WORKER_PREFETCH_MULTIPLIER = 0 if _broker.is_amqp else 1
CELERY_WORKER_ENABLE_PREFETCH_COUNT_REDUCTION = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = env.flag("CELERY_REMOTE_CONTROL", default=True)
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 0.0
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "webhooks_project.beat:DatabaseScheduler"

# --- Django -----------------------------------------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = MERCHANT_WEBHOOKS["REQUEST_BODY_MAX"]

INSTALLED_APPS = [
    *admin_theme.APPS,
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_standardized_errors",
    "subscriptions",
    "deliveries",
    *example_shop.APPS,
]

MIDDLEWARE = [
    "webhooks_project.request_ids.RequestIds",
    *admin_theme.OUTER_MIDDLEWARE,
    "webhooks_project.probes.Probes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "subscriptions.portal_sessions.PortalSessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "subscriptions.acting.Acting",
    "webhooks_project.account.required.SecondFactorRequired",
    *admin_theme.MIDDLEWARE,
    "subscriptions.too_slow.TooSlow",
]

ROOT_URLCONF = "webhooks_project.urls"
WSGI_APPLICATION = "webhooks_project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [  # before the theme's, some of which they replace
            PACKAGES / "webhooks_project" / "templates",
            PACKAGES / "subscriptions" / "theme_templates",
        ],
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

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
PASSWORD_RESET_TIMEOUT = 3600  # seconds that a mailed link to choose another works
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
UNFOLD = admin_theme.UNFOLD

EMAIL_BACKEND = env.text("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "webhooks@localhost")

if not DEBUG:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", default=True)
    SECURE_HSTS_SECONDS = env.whole("SECURE_HSTS_SECONDS", 31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=True)
    SILENCED_SYSTEM_CHECKS = ["security.W021"]  # preloading is for whoever owns the whole domain
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# --- the API ----------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}  # of its own pages; views name theirs
SIMPLE_JWT = {"CHECK_REVOKE_TOKEN": True}  # a changed password ends the tokens made before it
SPECTACULAR_SETTINGS = {
    "TITLE": "Merchant Webhooks",
    "DESCRIPTION": "Register webhooks, publish events, read the log, work the review queue.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SCHEMA_COERCE_PATH_PK_SUFFIX": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["subscriptions.api.links.add_links"],  # and choices stay where they stand
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
}

# --- pages beside the desk, linked from each page; empty: those of the service itself
GUIDE_URL = env.text("GUIDE_URL")
STATUS_URL = env.text("STATUS_URL")

METRICS_TOKEN = env.secret("METRICS_TOKEN")
SENTRY_DSN = env.secret("SENTRY_DSN")  # with the extra `sentry`
SENTRY_ENVIRONMENT = env.text("SENTRY_ENVIRONMENT", "development" if DEBUG else "production")
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = logs.config(level=LOG_LEVEL, as_json=not DEBUG)
UNKNOWN_VARIABLES = env.unknown()

# Last: tasks of the apps go to this application wherever these settings are in force, and nowhere else.
from webhooks_project.celery import app as celery_app  # noqa: E402, F401
