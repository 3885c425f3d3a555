"""Drops the indexes by falling keys: those by growing ones, read backwards, give the same order."""

from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations

from deliveries.db.part_indexes import RemoveIndexOfAttempts


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("webhooks_deliveries", "0012_attempt_log_of_webhook")]

    operations = [
        RemoveIndexConcurrently(model_name="delivery", name="delivery_of_webhook"),
        RemoveIndexConcurrently(model_name="delivery", name="delivery_of_merchant"),
        RemoveIndexConcurrently(model_name="event", name="event_of_merchant"),
        RemoveIndexOfAttempts(model_name="attempt", name="attempt_of_webhook"),
    ]
