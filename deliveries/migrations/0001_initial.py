import datetime
import django.db.models.deletion
import django.db.models.functions.datetime
import subscriptions.models.fields
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('webhooks_subscriptions', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Installation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code_key', models.CharField(help_text='Hex. Public ids of deliveries and attempts are made with it.', max_length=64)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
        ),
        migrations.CreateModel(
            name='MaintenanceTask',
            fields=[
                ('name', models.CharField(max_length=30, primary_key=True, serialize=False)),
                ('position', models.BigIntegerField(default=0, help_text='The last key that was seen to.')),
                ('gaps', models.JSONField(default=list, help_text='Ranges below it that were not there yet: from, to, seen at.')),
                ('ran_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name_plural': 'upkeep',
            },
        ),
        migrations.CreateModel(
            name='Watch',
            fields=[
                ('webhook', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='watch', serialize=False, to='webhooks_subscriptions.webhook')),
                ('failing_since', models.DateTimeField(help_text='Of the run of failures that was told.', null=True)),
                ('failures', models.PositiveIntegerField(default=0, help_text='The longest the run was seen to be.')),
                ('rate_is_high', models.BooleanField(default=False)),
                ('disabled_at', models.DateTimeField(help_text='Of the disabling by its endpoint that was told.', null=True)),
                ('paused_at', models.DateTimeField(help_text='Set while it is paused by us, not by a person.', null=True)),
                ('spared_failures', models.PositiveIntegerField(default=0, help_text='Failures forgiven when somebody resumed it.')),
                ('spared_at', models.DateTimeField(help_text='When somebody resumed it.', null=True)),
                ('probe_at', models.DateTimeField(help_text='When a single delivery is tried next.', null=True)),
                ('probe_wait', models.FloatField(default=0, help_text='Seconds between the last probe and the next.')),
                ('probed_at', models.DateTimeField(null=True)),
                ('probe_delivery', models.BigIntegerField(help_text='The delivery that was tried.', null=True)),
                ('probe_tries', models.PositiveIntegerField(default=0, help_text='Its tries before: a probe costs none.')),
            ],
            options={
                'verbose_name_plural': 'watches',
            },
        ),
        migrations.CreateModel(
            name='WebhookState',
            fields=[
                ('webhook', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='state', serialize=False, to='webhooks_subscriptions.webhook')),
                ('window', models.PositiveIntegerField(db_default=1, help_text='Open requests allowed now: one at first, doubling with each answer.')),
                ('blocked_until', models.DateTimeField(help_text='Nothing is sent before (rate limit).', null=True)),
                ('failures', models.PositiveIntegerField(db_default=0, help_text='Failed attempts in a row.')),
                ('failing_since', models.DateTimeField(null=True)),
                ('last_success_at', models.DateTimeField(null=True)),
                ('last_failure_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('public_id', subscriptions.models.fields.PublicIdField(editable=False, max_length=64, prefix='evt')),
                ('type', models.CharField(max_length=100)),
                ('data', models.TextField(help_text='Canonical JSON text, stored once and spliced into every body as it is.')),
                ('size', models.PositiveIntegerField(help_text='Bytes of `data` in UTF-8.')),
                ('resource_id', models.CharField(blank=True, db_default='', max_length=200)),
                ('occurred_at', models.DateTimeField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('merchant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks_subscriptions.merchant')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('event_type', models.CharField(max_length=100)),
                ('status', models.CharField(choices=[('pending', 'Pending'), ('sending', 'Sending'), ('retrying', 'Retrying'), ('delivered', 'Delivered'), ('dead', 'In review'), ('discarded', 'Discarded'), ('skipped', 'Skipped'), ('cancelled', 'Cancelled')], db_default='pending', max_length=10)),
                ('reason_code', models.CharField(blank=True, db_default='', help_text='Why it was skipped, cancelled, or put into review.', max_length=40)),
                ('reason_values', models.JSONField(editable=False, help_text="What the reason's sentence needs besides.", null=True)),
                ('ordering_group', models.CharField(editable=False, help_text="Its line: empty for the webhook's only one. Null: none.", max_length=200, null=True)),
                ('due_at', models.DateTimeField(editable=False, null=True)),
                ('claim_token', models.BigIntegerField(editable=False, null=True)),
                ('claimed_at', models.DateTimeField(editable=False, null=True)),
                ('attempt_count', models.PositiveIntegerField(db_default=0, help_text='Attempts in the log, interrupted ones included.')),
                ('tries', models.PositiveIntegerField(db_default=0, help_text='Attempts of the current chain, as the policy counts them.')),
                ('replays', models.PositiveIntegerField(db_default=0)),
                ('orphaned_attempts', models.PositiveIntegerField(db_default=0, help_text='Claims in a row whose worker died.')),
                ('last_status_code', models.PositiveIntegerField(null=True)),
                ('last_error', models.CharField(blank=True, db_default='', max_length=30)),
                ('last_attempt_at', models.DateTimeField(null=True)),
                ('response_ms', models.FloatField(help_text='Of the last attempt, in milliseconds.', null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('closed_at', models.DateTimeField(null=True)),
                ('merchant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks_subscriptions.merchant')),
                ('webhook', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='webhooks_subscriptions.webhook')),
                ('event', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='webhooks_deliveries.event')),
            ],
            options={
                'verbose_name_plural': 'deliveries',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='ExpungedPayload',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('event_id', models.CharField(help_text="The event's public id; the event itself may be purged later.", max_length=64)),
                ('event_type', models.CharField(max_length=100)),
                ('by', models.CharField(help_text='A person or an API key.', max_length=150)),
                ('note', models.TextField(blank=True, default='')),
                ('attempts', models.PositiveIntegerField(default=0, help_text='Attempts whose request and answer went with it.')),
                ('cancelled', models.PositiveIntegerField(default=0, help_text='Deliveries that were still to be sent.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('merchant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks_subscriptions.merchant')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='HourCounter',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('bucket', models.DateTimeField(help_text='Start of the stretch, UTC.')),
                ('result', models.CharField(help_text='delivered, failed, dead, interrupted, skipped, lateness.', max_length=12)),
                ('band', models.PositiveSmallIntegerField(help_text='Upper bound of the response time, index into stats.BANDS.')),
                ('count', models.PositiveIntegerField(default=0)),
                ('total_ms', models.FloatField(default=0)),
                ('merchant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks_subscriptions.merchant')),
                ('webhook', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks_subscriptions.webhook')),
            ],
        ),
        migrations.CreateModel(
            name='Job',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('public_id', subscriptions.models.fields.PublicIdField(editable=False, max_length=40, prefix='job', unique=True)),
                ('kind', models.CharField(choices=[('replay', 'Replay'), ('discard', 'Discard')], max_length=10)),
                ('source', models.CharField(choices=[('deliveries', 'Deliveries of the log'), ('dead-letters', 'Dead letters')], max_length=12)),
                ('selection', models.JSONField(default=dict, help_text='Filters as they were given.')),
                ('note', models.TextField(blank=True, default='')),
                ('by', models.CharField(max_length=150)),
                ('rate', models.PositiveIntegerField(db_default=0, default=0, help_text='Rows a second; 0 is as fast as it goes.')),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed')], default='queued', max_length=10)),
                ('total', models.PositiveIntegerField(default=0, help_text='Rows selected when the request came.')),
                ('done', models.PositiveIntegerField(default=0, help_text='Rows changed so far.')),
                ('position', models.BigIntegerField(default=0)),
                ('last', models.BigIntegerField(default=0)),
                ('error', models.TextField(blank=True, default='')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('merchant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks_subscriptions.merchant')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='LastSent',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('event_type', models.CharField(max_length=100)),
                ('resource_id', models.CharField(blank=True, db_default='', max_length=200)),
                ('digest', models.CharField(max_length=64)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('webhook', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks_subscriptions.webhook')),
            ],
        ),
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('dead', 'Deliveries given up'), ('failure_rate', 'Many attempts fail'), ('disabled', 'Disabled by its endpoint'), ('paused', 'Paused after lasting failure'), ('failing', 'First failure after success'), ('recovered', 'Works again')], max_length=12)),
                ('count', models.PositiveIntegerField(default=1, help_text='How often it happened.')),
                ('first_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
                ('reason', models.TextField(blank=True, help_text='Why, the last time, in a sentence.')),
                ('due_at', models.DateTimeField(help_text='When it may be mailed.')),
                ('closed_at', models.DateTimeField(help_text='When it was taken for mailing.', null=True)),
                ('lease_until', models.DateTimeField(editable=False, help_text='Nobody else mails it before.', null=True)),
                ('tries', models.PositiveIntegerField(db_default=0, help_text='Times that mailing it failed.')),
                ('told', models.TextField(blank=True, db_default='', help_text='Addresses it was mailed to, a line each.')),
                ('error', models.TextField(blank=True, db_default='', help_text='Why it could not be mailed.')),
                ('sent_at', models.DateTimeField(help_text='When mailing ended.', null=True)),
                ('merchant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks_subscriptions.merchant')),
                ('webhook', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='notices', to='webhooks_subscriptions.webhook')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='NoticePreference',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('dead', models.BooleanField(default=True, verbose_name='deliveries given up')),
                ('failure_rate', models.BooleanField(default=True, verbose_name='many attempts fail')),
                ('disabled', models.BooleanField(default=True, verbose_name='disabled by its endpoint')),
                ('paused', models.BooleanField(default=True, verbose_name='paused after lasting failure')),
                ('failing', models.BooleanField(default=False, verbose_name='first failure after success')),
                ('recovered', models.BooleanField(default=True, verbose_name='works again')),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notice_preferences', to='webhooks_subscriptions.merchant')),
                ('user', models.ForeignKey(blank=True, help_text="Empty: the merchant's own address.", null=True, on_delete=django.db.models.deletion.CASCADE, related_name='notice_preferences', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Counter',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('bucket', models.DateTimeField(help_text='Start of the stretch, UTC.')),
                ('result', models.CharField(help_text='delivered, failed, dead, interrupted, skipped, lateness.', max_length=12)),
                ('band', models.PositiveSmallIntegerField(help_text='Upper bound of the response time, index into stats.BANDS.')),
                ('count', models.PositiveIntegerField(default=0)),
                ('total_ms', models.FloatField(default=0)),
                ('merchant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks_subscriptions.merchant')),
                ('webhook', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks_subscriptions.webhook')),
            ],
            options={
                'indexes': [models.Index(fields=['merchant', 'bucket'], name='counter_of_merchant'), models.Index(fields=['bucket'], name='counter_of_all')],
                'constraints': [models.UniqueConstraint(fields=('webhook', 'bucket', 'result', 'band'), name='counter_cell')],
            },
        ),
        migrations.CreateModel(
            name='DeadLetter',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('reason_code', models.CharField(help_text='Why it was given up.', max_length=40)),
                ('reason_values', models.JSONField(editable=False, help_text="What the reason's sentence needs besides.", null=True)),
                ('error', models.CharField(blank=True, default='', max_length=30)),
                ('status_code', models.PositiveIntegerField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('resolution', models.CharField(blank=True, choices=[('replayed', 'Replayed'), ('discarded', 'Discarded')], db_default='', max_length=10)),
                ('resolved_at', models.DateTimeField(null=True)),
                ('resolved_by', models.CharField(blank=True, db_default='', help_text='Who decided: a person or an API key.', max_length=150)),
                ('note', models.TextField(blank=True, db_default='')),
                ('assignee', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='dead_letters', to=settings.AUTH_USER_MODEL)),
                ('merchant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks_subscriptions.merchant')),
                ('webhook', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks_subscriptions.webhook')),
                ('delivery', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='dead_letters', to='webhooks_deliveries.delivery')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(condition=models.Q(('resolved_at', None)), fields=['merchant', 'id'], name='dead_letter_open'), models.Index(condition=models.Q(('resolved_at', None)), fields=['webhook', 'id'], name='dead_letter_open_of_webhook'), models.Index(condition=models.Q(('resolved_at', None)), fields=['merchant', 'webhook', 'error', 'status_code'], include=('created_at',), name='dead_letter_open_groups')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('resolved_at', None)), fields=('delivery',), name='dead_letter_once_open')],
            },
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField()),
                ('result', models.CharField(choices=[('delivered', 'Delivered'), ('failed', 'Failed'), ('interrupted', 'Interrupted, may have been sent')], max_length=12)),
                ('started_at', models.DateTimeField(help_text='When the request was sent.')),
                ('answered_at', models.DateTimeField(help_text='When the answer was complete, or given up.', null=True)),
                ('lateness_ms', models.FloatField(help_text='From the time it was due until it was sent.', null=True)),
                ('status_code', models.PositiveIntegerField(null=True)),
                ('error', models.CharField(blank=True, default='', max_length=30)),
                ('detail', models.TextField(blank=True, default='', help_text="What happened, in the transport's words; empty for interrupted ones.")),
                ('decision_code', models.CharField(blank=True, default='', help_text='What follows from it: why it is retried, or ends.', max_length=40)),
                ('decision_values', models.JSONField(editable=False, help_text="What the decision's sentence needs besides.", null=True)),
                ('next_at', models.DateTimeField(help_text='When the next attempt is due.', null=True)),
                ('url', models.TextField()),
                ('request_headers', models.TextField(default='[]', help_text='JSON pairs; signatures stand as sent, secrets are masked.')),
                ('request_size', models.PositiveIntegerField(default=0)),
                ('request_digest', models.CharField(blank=True, default='', help_text='SHA-256 of the body as sent, in hex.', max_length=64)),
                ('response_headers', models.TextField(default='[]', help_text='JSON pairs, truncated on the way in.')),
                ('response_body', models.BinaryField(default=b'', help_text='The first 4 KiB, any bytes.')),
                ('response_size', models.PositiveIntegerField(default=0, help_text='Bytes read.')),
                ('response_truncated', models.BooleanField(default=False)),
                ('dns_ms', models.FloatField(null=True)),
                ('connect_ms', models.FloatField(null=True)),
                ('tls_ms', models.FloatField(null=True)),
                ('first_byte_ms', models.FloatField(null=True)),
                ('total_ms', models.FloatField(null=True)),
                ('remote_address', models.CharField(blank=True, default='', max_length=64)),
                ('reused_connection', models.BooleanField(default=False)),
                ('worker', models.CharField(blank=True, default='', max_length=100)),
                ('webhook', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks_subscriptions.webhook')),
                ('delivery', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='attempts', to='webhooks_deliveries.delivery')),
            ],
            options={
                'ordering': ['id'],
                'indexes': [models.Index(fields=['webhook', '-id'], name='attempt_of_webhook')],
            },
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['merchant', '-id'], name='event_of_merchant'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('resource_id', ''), _negated=True), fields=['merchant', 'resource_id'], name='event_of_resource'),
        ),
        migrations.AddConstraint(
            model_name='event',
            constraint=models.UniqueConstraint(fields=('merchant', 'public_id'), name='event_once_a_merchant'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('due_at__isnull', False)), fields=['webhook', 'due_at', 'id'], name='delivery_due'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('status', 'sending')), fields=['webhook'], name='delivery_in_flight'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['webhook', '-id'], name='delivery_of_webhook'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['merchant', '-id'], name='delivery_of_merchant'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('status__in', ('retrying', 'dead', 'discarded'))), fields=['webhook', '-id'], name='delivery_failed_of_webhook'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('status__in', ('retrying', 'dead', 'discarded'))), fields=['merchant', '-id'], name='delivery_failed_of_merchant'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('ordering_group__isnull', False), models.Q(('due_at__isnull', False), ('status', 'dead'), _connector='OR')), fields=['webhook', 'ordering_group', 'id'], name='delivery_in_group'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(condition=models.Q(('due_at__lt', datetime.datetime(9999, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('ordering_group__isnull', False)), fields=('webhook', 'ordering_group'), name='delivery_one_of_a_group'),
        ),
        migrations.AddIndex(
            model_name='expungedpayload',
            index=models.Index(fields=['merchant', 'event_id'], name='expunction_of_event'),
        ),
        migrations.AddIndex(
            model_name='hourcounter',
            index=models.Index(fields=['merchant', 'bucket'], name='hour_counter_of_merchant'),
        ),
        migrations.AddIndex(
            model_name='hourcounter',
            index=models.Index(fields=['bucket'], name='hour_counter_of_all'),
        ),
        migrations.AddConstraint(
            model_name='hourcounter',
            constraint=models.UniqueConstraint(fields=('webhook', 'bucket', 'result', 'band'), name='hour_counter_cell'),
        ),
        migrations.AddIndex(
            model_name='job',
            index=models.Index(fields=['merchant', '-id'], name='job_of_merchant'),
        ),
        migrations.AddConstraint(
            model_name='lastsent',
            constraint=models.UniqueConstraint(fields=('webhook', 'event_type', 'resource_id'), name='last_sent_once'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(condition=models.Q(('sent_at', None)), fields=['due_at'], name='notice_due'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(fields=['webhook', 'kind', '-closed_at'], name='notice_last'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(fields=['merchant', '-id'], name='notice_of_merchant'),
        ),
        migrations.AddConstraint(
            model_name='notice',
            constraint=models.UniqueConstraint(condition=models.Q(('closed_at', None)), fields=('webhook', 'kind'), name='notice_once_open'),
        ),
        migrations.AddConstraint(
            model_name='noticepreference',
            constraint=models.UniqueConstraint(fields=('merchant', 'user'), name='notice_preference_once'),
        ),
        migrations.AddConstraint(
            model_name='noticepreference',
            constraint=models.UniqueConstraint(condition=models.Q(('user', None)), fields=('merchant',), name='notice_preference_once_a_merchant'),
        ),
    ]
