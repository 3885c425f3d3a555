"""Names two kinds of notices by what is true of webhooks that never succeeded, too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("webhooks_deliveries", "0005_jobs_results"),
    ]

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
                    ("failing", "Began to fail"),
                    ("recovered", "Works now"),
                    ("certificate", "Client certificate ends soon"),
                ],
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="noticepreference",
            name="failing",
            field=models.BooleanField(default=False, verbose_name="began to fail"),
        ),
        migrations.AlterField(
            model_name="noticepreference",
            name="recovered",
            field=models.BooleanField(default=True, verbose_name="works now"),
        ),
    ]
