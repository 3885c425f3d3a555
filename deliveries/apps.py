"""Django's handle on the app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class DeliveriesConfig(AppConfig):
    """Events, deliveries, attempts and dead letters."""

    name = "deliveries"
    label = "webhooks_deliveries"  # a host project may have an app of that name
    verbose_name = "Activity"

    def ready(self) -> None:
        """Tell subscriptions the rules of the wire, connect the worker's life cycle, and make the key of public ids."""
        # Importing connects receivers, and registers the tasks where one only publishes.
        from deliveries import notifications  # noqa: F401
        from deliveries.models import codes
        from deliveries.queueing import webhook_changes  # noqa: F401
        from deliveries.review import bulk_jobs  # noqa: F401
        from deliveries.sending import webhook_rules
        from deliveries.worker import lifecycle, periodic_tasks, tasks  # noqa: F401

        webhook_rules.install()
        lifecycle.connect()
        post_migrate.connect(codes.make_installation, sender=self)
