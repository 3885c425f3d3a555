"""How an endpoint is asked who we are: settings and credentials, which never go to a new place by themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from subscriptions import encryption, webhook_rules
from subscriptions.models import Webhook
from subscriptions.validators.text import kind as json_kind
from subscriptions.webhook_rules import CheckedSignIn

NEEDED = "This change would use the credentials at a new place. Give them along with it."


def clean_sign_in(values: Mapping[str, Any], cleaned: Mapping[str, Any], present: Webhook | None) -> dict[str, Any]:
    """Return what is stored of an endpoint's sign-in: `sign_in`, `credentials`, `certificate_ends_at`, if it changes.

    Args:
        values: The settings as they were given.
        cleaned: Those that are decided already.
        present: The webhook that changes; None for one to be made.

    Raises ValidationError: for what is wrong, for custom headers that would sign in as well, and where the present
    credentials would go to another URL, token URL or account than before.
    """
    stored = present.sign_in if present else {}
    given = values["sign_in"] if values.get("sign_in") is not None else ({} if "sign_in" in values else stored)
    credentials = values.get("credentials")
    credentials = None if credentials == {} else credentials
    if not isinstance(given, Mapping):
        raise ValidationError({"sign_in": [f"A sign-in must be an object with a method, not {json_kind(given)}."]})
    if given.get("method") in (None, "") and not given.keys() - {"method"}:
        return _none(stored, credentials)
    moves = present is not None and cleaned.get("url", present.url) != present.url
    if credentials is None and given == stored and not moves:
        _check_headers(cleaned, given)
        return {}
    is_new = credentials is None and not stored
    checked = webhook_rules.rules().check_sign_in(given, {} if is_new else credentials)
    if url := checked.settings.get("token_url"):
        _check_url(url)
    _check_headers(cleaned if present is None else {"headers": present.headers, **cleaned}, given)
    if checked.credentials is None and (moves or is_elsewhere(stored, checked.settings)):
        raise ValidationError({"credentials": [ValidationError(NEEDED, webhook_rules.SECRET_NEEDED)]})
    return _stored(checked)


def is_elsewhere(present: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Tell whether the settings of a destination or a sign-in lead to another place."""
    return any(present.get(name) != new.get(name) for name in {*present, *new} - webhook_rules.PUBLIC_SETTINGS)


def _none(stored: Mapping[str, Any], credentials: Any) -> dict[str, Any]:
    webhook_rules.rules().check_destination(webhook_rules.HTTPS, {}, {} if credentials is None else credentials)
    return {"sign_in": {}, "credentials": "", "certificate_ends_at": None} if stored else {}


def _stored(checked: CheckedSignIn) -> dict[str, Any]:
    found: dict[str, Any] = {"sign_in": checked.settings, "certificate_ends_at": checked.certificate_ends_at}
    if checked.credentials is not None:
        found["credentials"] = encryption.encrypt(json.dumps(checked.credentials))
    return found


def _check_url(url: str) -> None:
    try:
        webhook_rules.rules().check_url(url)
    except ValueError as error:
        raise ValidationError({"sign_in.token_url": [str(error)]}) from None


def _check_headers(cleaned: Mapping[str, Any], sign_in: Mapping[str, Any]) -> None:
    """Refuse a custom header that the sign-in sends itself. A certificate may have one beside it."""
    if not webhook_rules.rules().sends_authorization(sign_in):
        return
    if any(name.lower() == "authorization" for name in cleaned.get("headers") or ()):
        problem = "Authorization is set by the webhook's sign-in. Leave it out, or sign in by the header alone."
        raise ValidationError({"headers": [problem]})
