"""One function for each setting of a webhook that can be decided by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from subscriptions import webhook_rules
from subscriptions.models import Webhook
from subscriptions.validators.text import kind, limited, single_line

NAME_MAX: Final = 200
URL_MAX: Final = 2048
DIALECT_MAX: Final = 20
KIND_MAX: Final = 20
BODY_STYLE_MAX: Final = 10
SECRET_MAX: Final = 256
API_VERSION_MAX: Final = 20
ORDERING_MAX: Final = 10
FILTER_MAX: Final = 1000
"""Characters; `deliveries.payloads.filters` limits steps and depth beside."""
TRANSFORM_MAX: Final = 4000
"""Characters; `deliveries.payloads.transformations` limits steps and depth beside."""
FIELDS_MAX: Final = 100
FIELD_MAX: Final = 200
TIMEOUT_BOUNDS: Final = (0.5, 30.0)
"""Seconds for a whole request."""
IN_FLIGHT_BOUNDS: Final = (1, 500)
"""Open requests at a time."""
RATE_BOUNDS: Final = (0.01, 10_000.0)
"""Requests a second."""
EXPIRY_BOUNDS: Final = (60, 30 * 86_400)
"""Seconds after which a delivery isn't sent any more."""
ORDERINGS: Final = {"none": Webhook.Ordering.NONE, "resource": Webhook.Ordering.RESOURCE,
                    "webhook": Webhook.Ordering.WEBHOOK}  # fmt: skip
"""What callers say → what is stored."""


def _clean_name(value: Any) -> str:
    return "" if value is None else single_line(value, NAME_MAX, "A name")


def _clean_url(value: Any) -> str:
    url = "" if value is None else single_line(value, URL_MAX, "A URL")
    if url:
        webhook_rules.rules().check_url(url)
    return url  # whether one is needed, the kind decides


def _clean_kind(value: Any) -> str:
    if value is None:
        return webhook_rules.HTTPS
    limited(value, KIND_MAX, "A kind")
    names = [kind.name for kind in webhook_rules.rules().kinds()]
    if value not in names:
        raise ValueError(f"{value!r} is not a kind of webhook. Use one of {', '.join(names)}.")
    return value


def _clean_dialect(value: Any) -> str:
    limited(value, DIALECT_MAX, "A dialect")
    names = [name for name, _label in webhook_rules.rules().dialects()]
    if value not in names:
        raise ValueError(f"{value!r} is not a dialect. Use one of {', '.join(names)}.")
    return value


def _clean_secret(value: Any) -> str:
    return "" if value is None else limited(value, SECRET_MAX, "A secret")


def _clean_body_style(value: Any) -> str:
    if value is None:
        return Webhook.BodyStyle.COMPACT.value
    limited(value, BODY_STYLE_MAX, "A body style")
    if value not in Webhook.BodyStyle.values:
        raise ValueError(f"{value!r} is not a body style. Use one of {', '.join(Webhook.BodyStyle.values)}.")
    return value


def _clean_api_version(value: Any) -> str:
    version = "" if value is None else single_line(value, API_VERSION_MAX, "An API version")
    return version or Webhook._meta.get_field("api_version").get_default()


def _clean_headers(value: Any) -> dict[str, str]:
    headers = {} if value is None else value
    if not isinstance(headers, Mapping):
        raise ValueError(f'Headers must be an object such as {{"X-Shop": "42"}}, not {kind(value)}.')
    for name, text in headers.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise ValueError(f"The header {name!r} must have text as its value, not {kind(text)}.")
    webhook_rules.rules().check_headers(headers)
    return dict(headers)


def _clean_policy(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ValueError(f"A retry policy must be an object, or null for the dialect's own; this is {kind(value)}.")
    return webhook_rules.rules().check_policy(value)


def _number(bounds: tuple[float, float], subject: str, unit: str) -> Callable[[Any], float | None]:
    low, high = bounds

    def clean(value: Any) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise ValueError(f"{subject} must be a number from {low:g} to {high:g} ({unit}), or null for the default.")
        return float(value)

    return clean


def _whole(bounds: tuple[int, int], name: str, unit: str = "") -> Callable[[Any], int | None]:
    low, high = bounds

    def clean(value: Any) -> int | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{name} must be a whole number from {low} to {high}{unit}, or null for the default.")
        return value

    return clean


def _clean_ordering(value: Any) -> str:
    if value is None or value == "":
        return Webhook.Ordering.NONE.value
    limited(value, ORDERING_MAX, "An ordering")
    if value not in ORDERINGS:
        raise ValueError(f"{value!r} is not an ordering. Use one of {', '.join(ORDERINGS)}.")
    return ORDERINGS[value].value


def _clean_filter(value: Any) -> str:
    expression = "" if value is None else limited(value, FILTER_MAX, "A filter")
    if expression and not expression.strip():  # of a variable that was never set, which must not mean every event
        raise ValueError("The filter is blank. Give a condition; none at all (null or empty) lets every event through.")
    expression = expression.strip()
    if expression:
        webhook_rules.rules().check_filter(expression)
    return expression


def _clean_transform(value: Any) -> str:
    given = "" if value is None else limited(value, TRANSFORM_MAX, "A transformation")
    if given and not given.strip():
        raise ValueError(
            "The transformation is blank. Give an expression; none at all (null or empty) sends events as ever."
        )
    expression = given.strip()
    if expression:
        webhook_rules.rules().check_transform(expression)
    return expression


def _clean_fields(value: Any) -> list[str]:
    fields = [] if value is None else value
    if not isinstance(fields, list):
        raise ValueError(f'Fields must be a list such as ["id", "customer.email"], not {kind(value)}.')
    if len(fields) > FIELDS_MAX:
        raise ValueError(f"A webhook has at most {FIELDS_MAX} fields; these are {len(fields)}. Empty means all.")
    cleaned = list(dict.fromkeys(single_line(field, FIELD_MAX, "A field") for field in fields))
    if cleaned:
        webhook_rules.rules().check_fields(cleaned)
    return cleaned


def _clean_is_enabled(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is_enabled must be true or false.")
    return value


CLEANERS: Final[dict[str, Callable[[Any], Any]]] = {
    "name": _clean_name,
    "kind": _clean_kind,
    "url": _clean_url,
    "dialect": _clean_dialect,
    "secret": _clean_secret,
    "body_style": _clean_body_style,
    "api_version": _clean_api_version,
    "headers": _clean_headers,
    "retry_policy": _clean_policy,
    "timeout": _number(TIMEOUT_BOUNDS, "The timeout", "seconds"),
    "max_in_flight": _whole(IN_FLIGHT_BOUNDS, "max_in_flight"),
    "rate_limit": _number(RATE_BOUNDS, "The rate limit", "requests a second"),
    "ordering": _clean_ordering,
    "expire_after": _whole(EXPIRY_BOUNDS, "expire_after", " (seconds)"),
    "filter": _clean_filter,
    "fields": _clean_fields,
    "transform": _clean_transform,
    "is_enabled": _clean_is_enabled,
}
"""Each takes what was given and returns what is stored, or raises ValueError with what is wrong and how to fix it."""
