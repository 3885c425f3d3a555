"""What a webhook's settings must be: every wrong field is named at once, each with what is wrong and how to fix it.

The rules of the wire (addresses, dialects, secrets, policies, headers, filters) come through
`subscriptions.webhook_rules`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from django.core.exceptions import ValidationError

from subscriptions import webhook_rules
from subscriptions.models import Webhook
from subscriptions.validators.destinations import STANDARD, clean_destination
from subscriptions.validators.events import clean_events
from subscriptions.validators.settings import CLEANERS
from subscriptions.validators.text import sentence, single_line

__all__ = ["check_secret", "clean_webhook", "secret_or_new", "sentence", "single_line"]


def clean_webhook(
    values: Mapping[str, Any],
    *,
    dialect: str,
    known: Collection[str] = (),
    present_secrets: Collection[str] = (),
    present: Webhook | None = None,
) -> dict[str, Any]:
    """Return `values` in the form they are stored in.

    `dialect` is the one in force unless `values` names another; `known` are patterns subscribed to already, which may
    stay although the catalogue dropped them; `present_secrets` must fit when the dialect changes and no new secret
    comes along. An empty secret means that none is given, and is left out. `present` is the webhook that changes; None
    for one to be made. What is stored of where it leads is `url`, `destination`, `sign_in`, `credentials` (encrypted)
    and `certificate_ends_at`.

    Raises ValidationError with every wrong field.
    """
    problems: dict[str, list[str]] = {}
    cleaned: dict[str, Any] = {}
    for field, value in values.items():
        if field == "events":
            cleaned[field], wrong = clean_events(value, known)
            problems.update({field: wrong} if wrong else {})
            continue
        if field in {"destination", "sign_in", "credentials"}:
            continue
        try:
            cleaned[field] = _cleaner(field)(value)
        except ValueError as error:
            problems[field] = [str(error)]
    if not cleaned.get("secret"):
        cleaned.pop("secret", None)
    if not problems.keys() & {"dialect", "secret"}:
        problems.update(_unfit_secret(cleaned, dialect, present_secrets))
    if not problems.keys() & {"dialect", "transform"}:
        problems.update(_unfit_transform(cleaned, dialect, present))
    cleaned |= clean_destination(values, cleaned, present, problems)
    if problems:
        raise ValidationError(problems)
    return cleaned


def check_secret(dialect: str, secret: str) -> None:
    """Refuse a secret that the dialect can't sign with. Raises ValidationError for the field `secret`."""
    clean_webhook({"secret": secret}, dialect=dialect)


def secret_or_new(secret: str | None, dialect: str, signature: Any, *, present: str = webhook_rules.HMAC) -> str:
    """Return a secret that was given, or a fresh one of a `signature`: hmac or ed25519; None or empty means `present`.

    Raises ValidationError for both, for a signature that there is not, and for one that the dialect doesn't know.
    """
    known = (webhook_rules.HMAC, webhook_rules.ED25519)
    if signature not in (None, "", *known):
        raise ValidationError({"signature": [f"Use one of {', '.join(known)}."]})
    if secret and signature:
        raise ValidationError({"signature": ["A secret was given, which says how it signs. Give one of the two."]})
    try:
        return secret or webhook_rules.rules().make_secret(dialect, signature or present)
    except ValueError as error:
        raise ValidationError({"signature": [str(error)]}) from None


_TOGETHER: Final = ("credentials", "destination", "events", "sign_in")
"""Settings that can't be decided by themselves."""


def _cleaner(field: str) -> Any:
    if field not in CLEANERS:
        raise ValueError(f"A webhook has no such setting. Use one of {', '.join(sorted([*CLEANERS, *_TOGETHER]))}.")
    return CLEANERS[field]


def _unfit_transform(cleaned: Mapping[str, Any], dialect: str, present: Webhook | None) -> dict[str, list[str]]:
    new_dialect = cleaned.get("dialect", dialect)
    if new_dialect == STANDARD or not cleaned.get("transform", present.transform if present else ""):
        return {}
    problem = (
        f"The dialect {new_dialect} says itself what its messages are. Leave it out, or use the dialect {STANDARD}."
    )
    return {"transform": [problem]}


def _unfit_secret(cleaned: Mapping[str, Any], dialect: str, present: Collection[str]) -> dict[str, list[str]]:
    new_dialect, new_secret = cleaned.get("dialect", dialect), cleaned.get("secret")
    if new_secret is None and new_dialect == dialect:
        return {}
    for secret in present if new_secret is None else [new_secret]:
        try:
            webhook_rules.rules().check_secret(new_dialect, secret)
        except ValueError as error:
            rotate = (
                ""
                if new_secret
                else (
                    f" The present secret doesn't fit the dialect {new_dialect}: give a new one along with it, "
                    "which replaces the old at once."
                )
            )
            return {"secret": [f"{error}{rotate}"]}
    return {}
