"""Keeps the expression that makes a webhook's messages."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks_subscriptions", "0005_webhook_certificate_ends")]

    operations = [
        migrations.AddField(
            model_name="webhook",
            name="transform",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="A JMESPath expression whose result is the message; empty: none.",
            ),
        ),
    ]
