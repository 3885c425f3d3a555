import django.core.validators
import django.db.models.deletion
import examples.storefront.models.downloads
import examples.storefront.models.fields
import examples.storefront.models.library
import subscriptions.models.fields
from decimal import Decimal
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('webhooks_subscriptions', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Customer',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('public_id', subscriptions.models.fields.PublicIdField(editable=False, max_length=40, prefix='cus', unique=True)),
                ('email', models.EmailField(max_length=254)),
                ('first_name', models.CharField(blank=True, max_length=100)),
                ('last_name', models.CharField(blank=True, max_length=100)),
                ('phone', models.CharField(blank=True, max_length=40)),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='%(class)ss', to='webhooks_subscriptions.merchant')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='File',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('public_id', subscriptions.models.fields.PublicIdField(editable=False, max_length=40, prefix='file', unique=True)),
                ('filename', models.CharField(max_length=255)),
                ('size', models.PositiveBigIntegerField(help_text='Bytes.')),
                ('upload_date', models.DateField(default=examples.storefront.models.library.today)),
                ('tags', examples.storefront.models.fields.TagsField(blank=True, default=list, help_text='A list of words, such as ["course", "chapter1"].')),
                ('source_url', models.CharField(blank=True, help_text='Where the bytes lie: a download leads there. Empty: a download answers what the file is.', max_length=1000, validators=[django.core.validators.URLValidator(schemes=['https'])])),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='%(class)ss', to='webhooks_subscriptions.merchant')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Order',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('public_id', subscriptions.models.fields.PublicIdField(editable=False, max_length=40, prefix='ord', unique=True)),
                ('number', models.CharField(max_length=40)),
                ('total', models.DecimalField(decimal_places=2, max_digits=12, validators=[django.core.validators.MinValueValidator(Decimal('0'))])),
                ('currency', models.CharField(max_length=3, validators=[django.core.validators.RegexValidator('^[A-Z]{3}\\Z', 'Such as USD.')])),
                ('financial_status', models.CharField(choices=[('pending', 'Pending'), ('paid', 'Paid'), ('partially_refunded', 'Partially Refunded'), ('refunded', 'Refunded')], default='pending', max_length=20)),
                ('fraud_check', models.CharField(choices=[('pending', 'Pending'), ('passed', 'Passed'), ('failed', 'Failed')], default='pending', max_length=10)),
                ('risk_score', models.FloatField(blank=True, help_text='0 (safe) to 1.', null=True)),
                ('fraud_reasons', models.JSONField(blank=True, default=list, help_text='A list of words.')),
                ('fulfillment', models.CharField(choices=[('unfulfilled', 'Unfulfilled'), ('fulfilled', 'Fulfilled')], default='unfulfilled', max_length=12)),
                ('placed_at', models.DateTimeField(blank=True, help_text='Empty while it is a basket.', null=True)),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.RESTRICT, related_name='orders', to='storefront.customer')),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='%(class)ss', to='webhooks_subscriptions.merchant')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Download',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('public_id', subscriptions.models.fields.PublicIdField(editable=False, max_length=40, prefix='download', unique=True)),
                ('token', models.CharField(default=examples.storefront.models.downloads.new_token, editable=False, max_length=64, unique=True)),
                ('site', models.CharField(blank=True, editable=False, help_text="Scheme and host of the link; empty: the shop's domain.", max_length=200)),
                ('customer_email', models.EmailField(max_length=254)),
                ('limit', models.PositiveIntegerField(blank=True, help_text='Downloads at most; empty: any number.', null=True, validators=[django.core.validators.MinValueValidator(1)])),
                ('count', models.PositiveIntegerField(default=0, editable=False)),
                ('last_ip_address', models.GenericIPAddressField(editable=False, null=True)),
                ('last_user_agent', models.CharField(blank=True, editable=False, max_length=500)),
                ('expires_at', models.DateTimeField(blank=True, help_text='Empty: never.', null=True)),
                ('expired_at', models.DateTimeField(editable=False, help_text='When it was found to be over.', null=True)),
                ('revoked_at', models.DateTimeField(editable=False, null=True)),
                ('revoked_by', models.CharField(blank=True, editable=False, max_length=150)),
                ('revoke_reason', models.CharField(blank=True, editable=False, max_length=200)),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='%(class)ss', to='webhooks_subscriptions.merchant')),
                ('file', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='links', to='storefront.file')),
                ('order', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='downloads', to='storefront.order')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Product',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('public_id', subscriptions.models.fields.PublicIdField(editable=False, max_length=40, prefix='prod', unique=True)),
                ('title', models.CharField(max_length=200)),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='%(class)ss', to='webhooks_subscriptions.merchant')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='OrderLine',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('public_id', subscriptions.models.fields.PublicIdField(editable=False, max_length=40, prefix='itm', unique=True)),
                ('title', models.CharField(max_length=200)),
                ('quantity', models.PositiveIntegerField(default=1, validators=[django.core.validators.MinValueValidator(1)])),
                ('price', models.DecimalField(decimal_places=2, help_text='Of one.', max_digits=12, validators=[django.core.validators.MinValueValidator(Decimal('0'))])),
                ('order', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='lines', to='storefront.order')),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.RESTRICT, related_name='+', to='storefront.product')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.AddField(
            model_name='file',
            name='products',
            field=models.ManyToManyField(blank=True, related_name='files', to='storefront.product'),
        ),
        migrations.CreateModel(
            name='Refund',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('public_id', subscriptions.models.fields.PublicIdField(editable=False, max_length=40, prefix='refund', unique=True)),
                ('amount', models.DecimalField(decimal_places=2, max_digits=12, validators=[django.core.validators.MinValueValidator(Decimal('0'))])),
                ('reason', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('order', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='refunds', to='storefront.order')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.AddConstraint(
            model_name='customer',
            constraint=models.UniqueConstraint(fields=('merchant', 'email'), name='customer_once'),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.UniqueConstraint(fields=('merchant', 'number'), name='order_number_once'),
        ),
        migrations.AddIndex(
            model_name='download',
            index=models.Index(condition=models.Q(('expired_at', None), ('expires_at__isnull', False), ('revoked_at', None)), fields=['expires_at'], name='download_running'),
        ),
        migrations.AddIndex(
            model_name='file',
            index=models.Index(fields=['merchant', 'updated_at'], name='file_changed'),
        ),
    ]
