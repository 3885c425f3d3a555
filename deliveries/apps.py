"""Django's handle on the app."""

from django.apps import AppConfig


class DeliveriesConfig(AppConfig):
    """Events, deliveries, attempts and dead letters."""

    name = "deliveries"
    verbose_name = "Deliveries"

    def ready(self) -> None:
        """Tell subscriptions the rules of the wire, and connect the fan-out and the worker's life cycle."""
        from deliveries import wire_rules, worker

        wire_rules.install()
        worker.connect()
