"""Lets notices tell of client certificates that end soon, once each."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks_deliveries", "0003_feeds")]

    operations = [
        migrations.AlterField(
            model_name="notice",
            name="kind",
            field=models.CharField(
                choices=[
                    ("dead", "Deliveries given up"),
                    ("failure_rate", "Many attempts fail"),
                    ("disabled", "Disabled by its endpoint"),
                    ("paused", "Paused after lasting failure"),
                    ("failing", "First failure after success"),
                    ("recovered", "Works again"),
                    ("certificate", "Client certificate ends soon"),
                ],
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="noticepreference",
            name="certificate",
            field=models.BooleanField(db_default=True, default=True, verbose_name="client certificate ends soon"),
        ),
        migrations.AddField(
            model_name="watch",
            name="certificate_ends_at",
            field=models.DateTimeField(help_text="Of the client certificate whose end was told.", null=True),
        ),
    ]
