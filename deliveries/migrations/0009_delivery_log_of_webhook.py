"""Indexes a webhook's deliveries by growing keys: read from its end, and filled at each webhook's end."""

from django.contrib.postgres.indexes import BTreeIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("webhooks_deliveries", "0008_job_turn")]

    operations = [
        AddIndexConcurrently(
            model_name="delivery",
            index=BTreeIndex(fields=["-webhook", "id"], name="delivery_log_of_webhook", deduplicate_items=False),
        ),
    ]
