"""Indexes a merchant's events by growing keys."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("webhooks_deliveries", "0010_delivery_log_of_merchant")]

    operations = [
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(fields=["-merchant", "id"], name="event_log_of_merchant"),
        ),
    ]
