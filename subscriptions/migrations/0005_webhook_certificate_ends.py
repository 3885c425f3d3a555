"""Indexes when client certificates end, for the watcher that warns of it."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("webhooks_subscriptions", "0004_sign_in")]

    operations = [
        AddIndexConcurrently(
            model_name="webhook",
            index=models.Index(
                condition=models.Q(("certificate_ends_at__isnull", False)),
                fields=["certificate_ends_at"],
                name="webhook_certificate_ends",
            ),
        ),
    ]
