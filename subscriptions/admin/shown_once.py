"""Secrets on their one way to a person's eyes: kept encrypted in the session until the next page shows them, once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from subscriptions import encryption
from subscriptions.services.secrets import shown

_KEY = "desk_shown_once"


def keep(request: HttpRequest, secrets: Mapping[str, str]) -> None:
    """Keep secrets by their label for the next call of `take`, encrypted: sessions lie in the database."""
    request.session[_KEY] = encryption.encrypt(json.dumps(dict(secrets)))


def of_secret(secret: str, label: str = "Signing secret") -> dict[str, str]:
    """Return a new secret under its label, or its public key where nobody is to see it."""
    text, public_key = shown(secret)
    return {"Public key": public_key} if public_key else {label: text}


def waits(request: HttpRequest) -> bool:
    """Tell whether something waits to be shown."""
    return _KEY in request.session


def take(request: HttpRequest) -> dict[str, str]:
    """Return the kept secrets and forget them; nothing when they were shown already, or their key has gone."""
    kept = request.session.pop(_KEY, None)
    try:
        return {} if kept is None else json.loads(encryption.decrypt(kept))
    except encryption.UndecryptableSecret:
        return {}


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Show the kept secrets; without any, say that they are gone.

    `context` has the admin's own, and: `title`, `subject` (whose secret), `advice` (what to do with it), `back`.
    """
    response = TemplateResponse(request, "subscriptions/shown_once.html", {**context, "secrets": take(request)})
    response["Cache-Control"] = "no-store"
    return response
