"""Indexes what was skipped or cancelled, for the list of what hasn't arrived."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("webhooks_deliveries", "0001_initial")]

    operations = [
        AddIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("status__in", ("skipped", "cancelled"))),
                fields=["merchant", "-id"],
                name="delivery_unsent_of_merchant",
            ),
        ),
    ]
