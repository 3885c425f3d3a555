"""Django's handle on the app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_migrate, post_save


class SubscriptionsConfig(AppConfig):
    """Merchants, webhooks, subscriptions, secrets, keys and the event catalogue."""

    name = "subscriptions"
    label = "webhooks_subscriptions"  # a host project may have an app of that name
    verbose_name = "Setup"

    def ready(self) -> None:
        """Register the start-up checks, and keep the catalogue in step with the release at each migrate."""
        from subscriptions import changes, checks, known_keys, matching  # noqa: F401

        post_migrate.connect(_load_catalogue, sender=self)
        for changed in (post_save, post_delete):
            changed.connect(matching.forget_events, sender=self.get_model("EventType"))
            for model in ("ApiKey", "Merchant"):
                changed.connect(known_keys.changed, sender=self.get_model(model))


def _load_catalogue(using: str, **_kwargs: Any) -> None:
    from subscriptions.catalogue import load_event_types

    load_event_types(using=using)
