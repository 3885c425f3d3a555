"""Keeps digests of bodies as 32 bytes; rows of earlier releases have them as text."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks_deliveries", "0013_indexes_by_growing_keys")]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="request_sha256",
            field=models.BinaryField(null=True, help_text="SHA-256 of the body as sent: 32 bytes."),
        ),
        migrations.AlterField(
            model_name="attempt",
            name="request_digest",
            field=models.CharField(
                blank=True, default="", help_text="SHA-256 of the body as sent, in hex: of older rows.", max_length=64
            ),
        ),
        migrations.AlterField(
            model_name="attempt",
            name="detail",
            field=models.TextField(
                blank=True,
                default="",
                help_text="What happened, in the transport's words; empty for interrupted ones and plain successes.",
            ),
        ),
    ]
