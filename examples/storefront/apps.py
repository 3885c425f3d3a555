"""Django's handle on the app."""

from django.apps import AppConfig


class StorefrontConfig(AppConfig):
    """A small shop whose signals publish events."""

    name = "examples.storefront"
    verbose_name = "Storefront (example)"

    def ready(self) -> None:
        """Connect the shop's signals to publishing, and offer its orders as they are now."""
        from examples.storefront import mapping, resolvers, signals  # noqa: F401
