"""One-time links into the admin."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks_subscriptions", "0009_desk")]

    operations = [
        migrations.CreateModel(
            name="PortalLink",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "role",
                    models.CharField(
                        choices=[("owner", "Owner: members, keys, webhooks"), ("developer", "Developer: webhooks, logs, replays"), ("viewer", "Viewer: reads only")], max_length=12
                    ),
                ),
                (
                    "person",
                    models.CharField(help_text="Who uses it, as the platform knows them; for the record.", max_length=100),
                ),
                ("target", models.CharField(help_text="The page that it leads to.", max_length=500)),
                ("digest", models.CharField(help_text="SHA-256 of the link's token.", max_length=64, unique=True)),
                ("expires_at", models.DateTimeField()),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="webhooks_subscriptions.merchant",
                    ),
                ),
            ],
            options={"ordering": ["-id"]},
        ),
    ]
