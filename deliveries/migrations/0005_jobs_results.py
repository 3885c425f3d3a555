"""Lets a job be stopped, and a dead letter say which job decided it."""

import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("webhooks_deliveries", "0004_certificate_notices")]

    operations = [
        migrations.AlterModelOptions(name="delivery", options={"ordering": ['-id'], "verbose_name_plural": 'delivery log'}),
        migrations.AlterModelOptions(name="deadletter", options={"ordering": ['-id'], "verbose_name_plural": 'review queue'}),
        migrations.AlterModelOptions(name="notice", options={"ordering": ['-id'], "verbose_name": 'notification'}),
        migrations.AlterModelOptions(name="noticepreference", options={"ordering": ['id'], "verbose_name": 'recipient of notifications', "verbose_name_plural": 'who gets notifications'}),
        migrations.AlterModelOptions(name="job", options={"ordering": ['-id'], "verbose_name": 'bulk job'}),
        migrations.AlterField(
            model_name="job",
            name="status",
            field=models.CharField(
                choices=[
                    ("queued", "Queued"),
                    ("running", "Running"),
                    ("done", "Done"),
                    ("failed", "Failed"),
                    ("stopped", "Stopped"),
                ],
                default="queued",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="deadletter",
            name="job",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="webhooks_deliveries.job",
            ),
        ),
        AddIndexConcurrently(
            model_name="deadletter",
            index=models.Index(
                condition=models.Q(("job__isnull", False)), fields=["job", "id"], name="dead_letter_of_job"
            ),
        ),
    ]
