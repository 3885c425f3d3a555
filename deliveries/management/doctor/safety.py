"""Safety: the keys decrypt what is stored, and requests go only where they should."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.db.models import TextField
from django.db.models.functions import Cast

from deliveries.management.doctor.findings import NOTE, OK, PROBLEM, Finding, Status, first_line
from subscriptions import encryption
from subscriptions.conf import settings
from subscriptions.models import SigningSecret, Webhook

SAMPLE = 200
"""Stored secrets, and credentials of queues and sign-ins, that are decrypted: this many of each at both ends."""


TOLD_ELSEWHERE = frozenset({
    "webhooks_subscriptions.E001",  # by `encryption_keys`
    "security.W018", "security.W020",  # DEBUG and ALLOWED_HOSTS, by checks of our own
})  # fmt: skip
"""Messages of checks that another finding says in better words; so are those about ENCRYPTION_KEYS."""


def encryption_keys() -> Iterator[Finding]:
    """Encrypt and decrypt; then decrypt the oldest and newest stored secrets."""
    count = len(settings.WEBHOOKS_ENCRYPTION_KEYS)
    try:
        encryption.decrypt(encryption.encrypt("doctor"))
    except ImproperlyConfigured as error:
        yield Finding(
            "encryption keys", PROBLEM, first_line(error), "Correct WEBHOOKS_ENCRYPTION_KEYS; see .env.example."
        )
        return
    try:
        unreadable, looked_at = _unreadable()
    except DatabaseError:
        yield Finding("encryption keys", NOTE, f"{count} in use; stored secrets can't be read without the database.")
        return
    if unreadable:
        text = f"{unreadable} of {looked_at} stored secrets can't be decrypted; nothing can be sent to their webhooks."
        fix = (
            "Put the key they were written with back at the end of WEBHOOKS_ENCRYPTION_KEYS, or rotate the secrets and "
            "give queues and sign-ins their credentials anew."
        )
        yield Finding("encryption keys", PROBLEM, text, fix)
        return
    yield Finding("encryption keys", OK, f"{count} in use; {looked_at} stored secrets were decrypted with them.")


def _unreadable() -> tuple[int, int]:
    """Return how many of the looked at secrets and credentials can't be decrypted, and how many were looked at."""
    secrets = SigningSecret.objects.annotate(token=Cast("value", TextField())).values_list("token", flat=True)
    queues = Webhook.objects.alive().exclude(credentials="").values_list("credentials", flat=True)
    ends = [rows.order_by(order)[:SAMPLE] for rows in (secrets, queues) for order in ("id", "-id")]
    tokens = {token for rows in ends for token in rows}
    unreadable = 0
    for token in tokens:
        try:
            encryption.decrypt(token)
        except encryption.UndecryptableSecret:
            unreadable += 1
    return unreadable, len(tokens)


def way_out() -> Iterator[Finding]:
    """Look at what outgoing requests are allowed beyond the safe default; development may, production should not."""
    serious: Status = NOTE if settings.DEBUG else PROBLEM
    if settings.WEBHOOKS_REQUIRE_HTTPS:
        yield Finding("https", OK, "Required of every webhook.")
    else:
        fix = "" if settings.DEBUG else "Unset WEBHOOKS_REQUIRE_HTTPS."
        yield Finding("https", serious, "Not required: data and Shopery's secrets may go in clear.", fix)
    inside = [network for network in settings.WEBHOOKS_ALLOWED_NETWORKS if not ip_network(network).is_global]
    if inside:
        fix = "" if settings.DEBUG else "Unset WEBHOOKS_ALLOWED_NETWORKS, unless merchants' endpoints are there."
        yield Finding("networks", serious, f"Webhooks may call inner networks: {', '.join(inside)}.", fix)
    else:
        yield Finding("networks", OK, "Only public addresses may be called.")


def django_checks() -> Iterator[Finding]:
    """Run all checks, those for deployment included but in development: DEBUG on a database of our own."""
    in_development = settings.DEBUG and getattr(settings, "EMBEDDED_DATABASE", False)
    every = checks.run_checks(include_deployment_checks=not in_development)
    found = [message for message in every if not is_told_elsewhere(message) and not message.is_silenced()]
    silenced = sorted({str(message.id) for message in every if message.is_silenced()} - ours_to_silence())
    serious = [message for message in found if message.is_serious()]
    for message in serious:
        yield Finding("settings", PROBLEM, f"{message.msg} ({message.id})", str(message.hint or ""))
    if silenced:
        text = f"SILENCED_SYSTEM_CHECKS hides what would be said: {', '.join(silenced)}."
        yield Finding("silenced checks", NOTE, text, "Read them: take them out of SILENCED_SYSTEM_CHECKS for a moment.")
    if serious:
        return
    ours = [message for message in found if str(message.id).startswith("webhooks_")]
    for message in ours:
        yield Finding("settings", NOTE, f"{message.msg} ({message.id})", str(message.hint or ""))
    found = [message for message in found if message not in ours]
    if found:
        ids = ", ".join(sorted({str(message.id) for message in found}))
        yield Finding("settings", NOTE, f"{len(found)} warnings: {ids}.", "Read them: manage.py check --deploy")
    elif not ours:
        yield Finding("settings", OK, "Django's checks find nothing.")


def is_told_elsewhere(message: checks.CheckMessage) -> bool:
    """Tell whether another finding says the same in better words."""
    return message.id in TOLD_ELSEWHERE or "['ENCRYPTION_KEYS']" in message.msg


def ours_to_silence() -> set[str]:
    """Return the checks that the service silences itself, for a reason that stands in its settings."""
    return {"security.W021"} if settings.WEBHOOKS_IS_SERVICE else set()
