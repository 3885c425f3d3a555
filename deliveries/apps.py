"""Django's handle on the app."""

from django.apps import AppConfig


class DeliveriesConfig(AppConfig):
    """Events, deliveries, attempts and dead letters."""

    name = "deliveries"
    label = "webhooks_deliveries"  # a host project may have an app of that name
    verbose_name = "Activity"

    def ready(self) -> None:
        """Tell subscriptions the rules of the wire, and connect the worker's life cycle."""
        # Importing connects receivers, and registers the tasks where one only publishes.
        from deliveries import notifications  # noqa: F401
        from deliveries.queueing import webhook_changes  # noqa: F401
        from deliveries.sending import webhook_rules
        from deliveries.worker import lifecycle, tasks  # noqa: F401

        webhook_rules.install()
        lifecycle.connect()
