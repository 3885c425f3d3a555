"""Feeds: a delivery's place in its webhook's feed, and how far a feed was given and acknowledged."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("webhooks_deliveries", "0002_delivery_unsent_of_merchant")]

    operations = [
        migrations.AddField(
            model_name="webhookstate",
            name="feed_position",
            field=models.BigIntegerField(db_default=0, help_text="The last place that its feed gave."),
        ),
        migrations.AddField(
            model_name="webhookstate",
            name="feed_acknowledged",
            field=models.BigIntegerField(db_default=0, help_text="Up to which place it was acknowledged."),
        ),
        migrations.AddField(
            model_name="webhookstate",
            name="feed_asked_at",
            field=models.DateTimeField(help_text="When its feed was asked last.", null=True),
        ),
        migrations.AddField(
            model_name="delivery",
            name="feed_position",
            field=models.BigIntegerField(
                editable=False,
                help_text="Its place in the webhook's feed; 0: not given yet. Null: it is sent.",
                null=True,
            ),
        ),
        AddIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(
                    ("feed_position__isnull", False),
                    models.Q(("feed_position__gt", 0), ("due_at__isnull", False), _connector="OR"),
                ),
                fields=["webhook", "feed_position", "id"],
                name="delivery_in_feed",
            ),
        ),
    ]
