"""Second factors, and links to choose another password."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import subscriptions.models.fields


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("webhooks_subscriptions", "0011_portal_sessions"),
    ]

    operations = [
        migrations.CreateModel(
            name="SecondFactor",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="second_factor",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("key", subscriptions.models.fields.EncryptedTextField(help_text="The shared key, in base 32.")),
                (
                    "last_step",
                    models.BigIntegerField(
                        default=0, help_text="The 30 s of the last code taken: none is taken twice."
                    ),
                ),
                (
                    "recovery_digests",
                    models.JSONField(default=list, help_text="SHA-256 of each recovery code that is left."),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="PasswordReset",
            fields=[
                (
                    "email",
                    models.EmailField(help_text="In lower case.", max_length=150, primary_key=True, serialize=False),
                ),
                ("mail_at", models.DateTimeField(db_index=True)),
            ],
        ),
    ]
