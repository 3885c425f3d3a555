"""Keeps how endpoints are asked who we are, when their client certificates end, and public keys of signing secrets."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks_subscriptions", "0003_destinations")]

    operations = [
        migrations.AddField(
            model_name="webhook",
            name="sign_in",
            field=models.JSONField(blank=True, db_default={}, default=dict),
        ),
        migrations.AddField(
            model_name="webhook",
            name="certificate_ends_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="signingsecret",
            name="public_key",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=80),
        ),
    ]
