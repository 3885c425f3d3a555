from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0006_hour_counters'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='rate',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='Rows a second; 0 is as fast as it goes.'),
        ),
        migrations.AddIndex(
            model_name='deadletter',
            index=models.Index(condition=models.Q(('resolved_at', None)), fields=['merchant', 'webhook', 'error', 'status_code'], include=('created_at',), name='dead_letter_open_groups'),
        ),
    ]
