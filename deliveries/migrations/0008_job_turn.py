"""Lets a merchant's bulk jobs take turns."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks_deliveries", "0007_job_found")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="turn",
            field=models.CharField(
                db_default="",
                default="",
                editable=False,
                help_text="The message that calls for its turn.",
                max_length=36,
            ),
        ),
    ]
