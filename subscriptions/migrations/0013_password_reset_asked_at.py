"""When a mailed link was asked for, so that what the mail server refuses for good is given up."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("webhooks_subscriptions", "0012_second_factors"),
    ]

    operations = [
        migrations.AddField(
            model_name="passwordreset",
            name="asked_at",
            field=models.DateTimeField(help_text="Last; empty in rows of releases that didn't note it.", null=True),
        ),
    ]
