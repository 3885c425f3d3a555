"""Gives bulk jobs room for what their search found."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks_deliveries", "0006_notice_words")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="found",
            field=models.JSONField(
                db_default={},
                default=dict,
                help_text="Keys of the events that its search found when the request came.",
            ),
        ),
    ]
