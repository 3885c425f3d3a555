"""Where a webhook leads: a URL with its sign-in, a destination with its credentials, or a feed. Decided together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import ValidationError

from subscriptions import encryption, webhook_rules
from subscriptions.models import Webhook
from subscriptions.validators.sign_in import NEEDED, clean_sign_in, is_elsewhere
from subscriptions.validators.text import kind as json_kind

STANDARD: Final = "standard"
"""The dialect of queues' messages."""
OF_SENDING: Final = {
    "url": "URL",
    "retry_policy": "retry policy",
    "timeout": "timeout",
    "max_in_flight": "limit of open requests",
    "rate_limit": "rate limit",
    "ordering": "choice of an order: its feed is always in order",
}
"""Settings that speak of sending, which a feed doesn't do, in words."""
Problems = dict[str, Any]


def clean_destination(
    values: Mapping[str, Any], cleaned: Mapping[str, Any], present: Webhook | None, problems: Problems
) -> dict[str, Any]:
    """Return what is stored of where a webhook leads: `url`, `destination` and `credentials`, as far as they change.

    Args:
        values: The settings as they were given.
        cleaned: Those that are decided already.
        present: The webhook that changes; None for one to be made.
        problems: Takes what is wrong, by field.
    """
    if "kind" in problems:
        return {}
    kind = cleaned.get("kind", present.kind if present else webhook_rules.HTTPS)
    if present and kind != present.kind:
        problems["kind"] = [f"This is a webhook of the kind {present.kind}, which stays. Make another webhook instead."]
        return {}
    if kind == webhook_rules.HTTPS:
        return _endpoint(values, cleaned, present, problems)
    if kind == webhook_rules.PULL:
        return _feed(values, cleaned, problems)
    return _queue(kind, values, cleaned, present, problems)


def _endpoint(
    values: Mapping[str, Any], cleaned: Mapping[str, Any], present: Webhook | None, problems: Problems
) -> dict[str, Any]:
    if cleaned.get("url") == "":
        problems["url"] = ["A webhook needs a URL. Give the https address that receives its events."]
    problems.update(_no_destination(webhook_rules.HTTPS, {"destination": values.get("destination")}))
    try:
        return clean_sign_in(values, cleaned, present)
    except ValidationError as error:
        problems.update(error.error_dict)
        return {}


def _feed(values: Mapping[str, Any], cleaned: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    for name, what in OF_SENDING.items():
        if cleaned.get(name):
            problems[name] = [f"A webhook of the kind pull sends nothing, so it has no {what}. Leave it out."]
    if _given(values, "sign_in") != {}:
        problems["sign_in"] = ["A webhook of the kind pull sends nothing, so it signs in nowhere. Leave it out."]
    problems.update(_no_destination(webhook_rules.PULL, values))
    return {}


def _no_destination(kind: str, values: Mapping[str, Any]) -> Problems:
    try:
        webhook_rules.rules().check_destination(kind, _given(values, "destination"), _given(values, "credentials"))
    except ValidationError as error:
        return dict(error.error_dict)
    return {}


def _queue(
    kind: str, values: Mapping[str, Any], cleaned: Mapping[str, Any], present: Webhook | None, problems: Problems
) -> dict[str, Any]:
    problems.update(_unfit(kind, values, cleaned, present))
    settings, credentials = values.get("destination"), _given(values, "credentials")
    credentials = None if credentials == {} else credentials
    found: dict[str, Any] = {}
    if present is None or "url" in cleaned:
        found["url"] = present.url if present else ""
    if present and settings is None and credentials is None:
        return found
    if present is None:
        settings, credentials = _given(values, "destination"), _given(values, "credentials")
    elif settings is None:
        settings = present.destination
    try:
        place = webhook_rules.rules().check_destination(kind, settings, _object(credentials))
        webhook_rules.rules().check_url(place.url)
    except ValidationError as error:
        problems.update(error.error_dict)
        return found
    except ValueError as error:
        problems["destination.endpoint"] = [str(error)]
        return found
    if place.credentials is None and present and is_elsewhere(present.destination, place.settings):
        problems["credentials"] = [ValidationError(NEEDED, webhook_rules.SECRET_NEEDED)]
    found |= {"url": place.url, "destination": place.settings}
    if place.credentials is not None:
        found["credentials"] = encryption.encrypt(json.dumps(place.credentials))
    return found


def _given(values: Mapping[str, Any], name: str) -> Any:
    """Return what was given; nothing for null."""
    value = values.get(name)
    return {} if value is None else value


def _object(credentials: Any) -> Mapping[str, Any] | None:
    if credentials is None or isinstance(credentials, Mapping):
        return credentials
    raise ValidationError({"credentials": [f"Credentials must be an object, not {json_kind(credentials)}."]})


def _unfit(
    kind: str, values: Mapping[str, Any], cleaned: Mapping[str, Any], present: Webhook | None
) -> dict[str, list[str]]:
    """Return what speaks of HTTP, and so has no meaning for a queue."""
    unfit = {}
    if cleaned.get("url") and not (present and cleaned["url"] == present.url):
        unfit["url"] = [f"The address of a webhook of the kind {kind} is made from its destination. Leave it out."]
    if cleaned.get("dialect", STANDARD) != STANDARD:
        unfit["dialect"] = [f"Messages of the kind {kind} are always in the dialect {STANDARD}. Leave it out."]
    if cleaned.get("headers"):
        unfit["headers"] = [f"A webhook of the kind {kind} has no custom headers. Leave them out."]
    if _given(values, "sign_in") != {}:
        unfit["sign_in"] = [f"A webhook of the kind {kind} signs in by its credentials alone. Leave it out."]
    return unfit
