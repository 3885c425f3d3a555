"""Portal links know the key that made them and the session they opened, so that both end with the key."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks_subscriptions", "0010_portal_links")]

    operations = [
        migrations.AddField(
            "portallink",
            "api_key",
            models.ForeignKey(
                help_text="The key that made it, and whose end is its own.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="portal_links",
                to="webhooks_subscriptions.apikey",
            ),
        ),
        migrations.AddField(
            "portallink",
            "session_key",
            models.CharField(db_default="", default="", help_text="The session it opened; empty until then.", max_length=40),
        ),
        migrations.AlterField(
            "portallink",
            "expires_at",
            models.DateTimeField(help_text="When it opens nothing any more; once opened, when its session ends."),
        ),
    ]
