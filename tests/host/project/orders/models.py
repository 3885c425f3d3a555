"""Shops, each of which may be a merchant, and their orders."""

from django.conf import settings
from django.db import models


class Shop(models.Model):
    name = models.CharField(max_length=50)
    if not settings.BEFORE:
        merchant = models.OneToOneField("webhooks_subscriptions.Merchant", null=True, on_delete=models.SET_NULL)

    def __str__(self):
        return self.name


class Order(models.Model):
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE)
    number = models.CharField(max_length=20)
    status = models.CharField(max_length=20, default="open")
    total = models.DecimalField(max_digits=8, decimal_places=2, default=0)

    def __str__(self):
        return self.number
