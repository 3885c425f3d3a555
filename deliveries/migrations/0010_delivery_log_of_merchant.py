"""Indexes a merchant's deliveries by growing keys."""

from django.contrib.postgres.indexes import BTreeIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("webhooks_deliveries", "0009_delivery_log_of_webhook")]

    operations = [
        AddIndexConcurrently(
            model_name="delivery",
            index=BTreeIndex(fields=["-merchant", "id"], name="delivery_log_of_merchant", deduplicate_items=False),
        ),
    ]
