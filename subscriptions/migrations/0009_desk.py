"""What the admin keeps: views that people save, the record of webhooks' changes, and which secrets were accepted."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("webhooks_subscriptions", "0006_webhook_transform"),
    ]

    operations = [
        migrations.AlterModelOptions(name="eventtype", options={"ordering": ['name'], "verbose_name_plural": 'event catalogue'}),
        migrations.AlterModelOptions(name="membership", options={"ordering": ['id'], "verbose_name": 'member'}),
        migrations.AddField(
            model_name="signingsecret",
            name="accepted_at",
            field=models.DateTimeField(
                editable=False,
                help_text="When the endpoint answered 2xx to a test that this secret alone signed.",
                null=True,
            ),
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("page", models.CharField(help_text="The list, as app.model.", max_length=100)),
                ("name", models.CharField(max_length=60)),
                ("query", models.TextField(help_text="The list's address after the question mark.")),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "page", "name"), name="saved_view_once"),
                ],
            },
        ),
        migrations.CreateModel(
            name="WebhookChange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("action", models.CharField(help_text="One of signals.ACTIONS.", max_length=20)),
                ("details", models.TextField(blank=True, help_text="What of it, in words.")),
                (
                    "by",
                    models.CharField(
                        blank=True, help_text="The person or key; empty: the platform itself.", max_length=150
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "webhook",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="changes",
                        to="webhooks_subscriptions.webhook",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["webhook", "-id"], name="webhook_change_of_webhook")],
            },
        ),
    ]
