"""Django's handle on the app."""

from django.apps import AppConfig


class DeliveriesConfig(AppConfig):
    """Events, deliveries, attempts and dead letters."""

    name = "deliveries"
    verbose_name = "Activity"

    def ready(self) -> None:
        """Tell subscriptions the rules of the wire, and connect the worker's life cycle."""
        # Importing connects receivers (closing, notices), and registers the task where one only publishes.
        from deliveries import closing, notifications, tasks, wire_rules, worker  # noqa: F401

        wire_rules.install()
        worker.connect()
