"""Django's handle on the app."""

from django.apps import AppConfig


class StorefrontConfig(AppConfig):
    """A small shop whose signals publish events."""

    name = "storefront"
    verbose_name = "Storefront (example)"
