"""Indexes a webhook's attempts by growing keys."""

from django.db import migrations, models

from deliveries.db.part_indexes import AddIndexOfAttempts


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("webhooks_deliveries", "0011_event_log_of_merchant")]

    operations = [
        AddIndexOfAttempts(
            model_name="attempt",
            index=models.Index(fields=["-webhook", "id"], name="attempt_log_of_webhook"),
        ),
    ]
