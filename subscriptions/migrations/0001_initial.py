import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import subscriptions.models.fields
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Merchant',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('public_id', subscriptions.models.fields.PublicIdField(editable=False, max_length=40, prefix='mch', unique=True)),
                ('name', models.CharField(max_length=200)),
                ('email', models.EmailField(help_text='Where notices about failing webhooks go.', max_length=254)),
                ('domain', models.CharField(blank=True, help_text='Sent as `shop` by the alva dialect.', max_length=253)),
                ('is_active', models.BooleanField(default=True)),
                ('validate_events', models.BooleanField(default=False, help_text="Refuse events whose data doesn't fit the event type's JSON Schema.", verbose_name='check events')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='EventType',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100, unique=True)),
                ('aliases', models.JSONField(blank=True, default=list, help_text='Other spellings of the same event.')),
                ('group', models.CharField(db_index=True, max_length=50)),
                ('source', models.CharField(blank=True, help_text='The document it comes from; empty for our own.', max_length=20)),
                ('description', models.TextField()),
                ('schema', models.JSONField(blank=True, default=dict, help_text='JSON Schema (2020-12) of `data`.')),
                ('example', models.TextField(help_text='An example of `data`, canonical JSON text.')),
                ('fresh', models.BooleanField(default=False, help_text='Send the resource as it is at delivery time, where the source registered a resolver.')),
                ('is_active', models.BooleanField(default=True)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('role', models.CharField(choices=[('owner', 'Owner: members, keys, webhooks'), ('developer', 'Developer: webhooks, logs, replays'), ('viewer', 'Viewer: reads only')], default='developer', max_length=12)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='ApiRates',
            fields=[
                ('merchant', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='api_rates', serialize=False, to='webhooks_subscriptions.merchant')),
                ('per_hour', models.PositiveIntegerField(blank=True, null=True)),
                ('per_minute', models.PositiveIntegerField(blank=True, null=True)),
                ('publish_per_hour', models.PositiveIntegerField(blank=True, help_text='Requests that publish.', null=True)),
                ('publish_per_minute', models.PositiveIntegerField(blank=True, help_text='Requests that publish.', null=True)),
            ],
            options={
                'verbose_name_plural': 'API rates',
            },
        ),
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('public_id', subscriptions.models.fields.PublicIdField(editable=False, max_length=40, prefix='key', unique=True)),
                ('name', models.CharField(blank=True, max_length=100)),
                ('prefix', models.CharField(editable=False, help_text="The key's first characters.", max_length=20, unique=True)),
                ('digest', models.CharField(editable=False, max_length=64)),
                ('scopes', models.JSONField(default=list)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('last_used_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='api_keys', to='webhooks_subscriptions.merchant')),
            ],
            options={
                'verbose_name': 'API key',
                'ordering': ['-id'],
            },
        ),
        migrations.AddField(
            model_name='merchant',
            name='members',
            field=models.ManyToManyField(related_name='merchants', through='webhooks_subscriptions.Membership', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='membership',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='webhooks_subscriptions.merchant'),
        ),
        migrations.AddField(
            model_name='membership',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL),
        ),
        migrations.CreateModel(
            name='Webhook',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('public_id', subscriptions.models.fields.PublicIdField(editable=False, max_length=40, prefix='wbh', unique=True)),
                ('name', models.CharField(blank=True, max_length=200)),
                ('url', models.TextField()),
                ('dialect', models.CharField(default='standard', max_length=20)),
                ('body_style', models.CharField(choices=[('compact', 'Compact, as JavaScript writes it'), ('python', "As Python's json.dumps writes it")], default='compact', max_length=10)),
                ('api_version', models.CharField(default='2024-01', help_text='Sent as `api_version` by the alva dialect.', max_length=20)),
                ('headers', models.JSONField(blank=True, default=dict, help_text="Custom headers; they can't override ours.")),
                ('retry_policy', models.JSONField(blank=True, help_text="Empty: the dialect's own.", null=True)),
                ('timeout', models.FloatField(blank=True, help_text="Seconds for the whole request; empty: the dialect's own.", null=True, validators=[django.core.validators.MinValueValidator(0.5), django.core.validators.MaxValueValidator(30)])),
                ('max_in_flight', models.PositiveIntegerField(blank=True, help_text="Open requests at a time; empty: the platform's default.", null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(500)])),
                ('rate_limit', models.FloatField(blank=True, help_text='Requests a second; empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(0.01)])),
                ('ordering', models.CharField(blank=True, choices=[('', 'As fast as possible, in any order'), ('resource', 'In order for each resource'), ('webhook', 'In order, one after the other')], db_default='', default='', help_text='What waits for what was published before it.', max_length=10)),
                ('expire_after', models.PositiveIntegerField(blank=True, help_text="Seconds after which a delivery isn't sent any more; empty: the platform's default.", null=True, validators=[django.core.validators.MinValueValidator(60)])),
                ('filter', models.TextField(blank=True, help_text='A JMESPath condition on the event; empty: everything.')),
                ('fields', models.JSONField(blank=True, default=list, help_text='Only these fields of the data are sent; empty: all.')),
                ('is_enabled', models.BooleanField(default=True)),
                ('disabled_reason', models.CharField(blank=True, max_length=200)),
                ('disabled_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('paused_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('paused_by', models.CharField(blank=True, editable=False, max_length=150)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='webhooks', to='webhooks_subscriptions.merchant')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Subscription',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('pattern', models.CharField(max_length=102)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('ended_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks_subscriptions.merchant')),
                ('webhook', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='subscriptions', to='webhooks_subscriptions.webhook')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='SigningSecret',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('value', subscriptions.models.fields.EncryptedTextField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('webhook', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='secrets', to='webhooks_subscriptions.webhook')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='IdempotencyKey',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('key', models.CharField(max_length=255)),
                ('claim', models.CharField(help_text='Random; tells the request that made the row from its twins.', max_length=32)),
                ('fingerprint', models.CharField(help_text='SHA-256 of method, path and body.', max_length=64)),
                ('status', models.PositiveSmallIntegerField(null=True)),
                ('answer', subscriptions.models.fields.EncryptedTextField(default='', help_text='JSON; encrypted, since answers may hold a new secret.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True, editable=False)),
                ('merchant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks_subscriptions.merchant')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('merchant', 'key'), name='idempotency_key_once')],
            },
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.UniqueConstraint(fields=('merchant', 'user'), name='membership_once'),
        ),
        migrations.AddIndex(
            model_name='webhook',
            index=models.Index(fields=['merchant', '-id'], name='webhook_of_merchant'),
        ),
        migrations.AddIndex(
            model_name='subscription',
            index=models.Index(condition=models.Q(('ended_at', None)), fields=['merchant', 'pattern'], name='subscription_match'),
        ),
        migrations.AddConstraint(
            model_name='subscription',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('webhook', 'pattern'), name='subscription_once'),
        ),
        migrations.AddConstraint(
            model_name='signingsecret',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at', None), ('expires_at__gte', models.F('created_at')), _connector='OR'), name='secret_expires_after_creation'),
        ),
    ]
