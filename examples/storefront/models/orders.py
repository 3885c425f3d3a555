"""Customers, their orders, and refunds."""

from __future__ import annotations

from decimal import Decimal

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models

from examples.storefront.models.base import Atomic, ShopRow
from examples.storefront.models.library import Product
from subscriptions.models.fields import PublicIdField


def money_field(**kwargs: object) -> models.DecimalField:  # type: ignore[type-arg]
    """Return a column for an amount of money, two digits after the point."""
    return models.DecimalField(max_digits=12, decimal_places=2, validators=[MinValueValidator(Decimal(0))], **kwargs)  # type: ignore[arg-type]


class Customer(ShopRow):
    """Who buys. One row an e-mail address."""

    public_id = PublicIdField(prefix="cus", unique=True)
    email = models.EmailField()
    first_name = models.CharField(max_length=100, blank=True)
    last_name = models.CharField(max_length=100, blank=True)
    phone = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["merchant", "email"], name="customer_once")]

    def __str__(self) -> str:
        return self.email

    @property
    def name(self) -> str:
        """First and last name, as far as known."""
        return f"{self.first_name} {self.last_name}".strip()


class Order(ShopRow):
    """An order. Until `placed_at` is set it is a basket, and nobody is told: an order is announced with its lines."""

    class FinancialStatus(models.TextChoices):
        PENDING = "pending"
        PAID = "paid"
        PARTIALLY_REFUNDED = "partially_refunded"
        REFUNDED = "refunded"

    class FraudCheck(models.TextChoices):
        PENDING = "pending"
        PASSED = "passed"
        FAILED = "failed"

    class Fulfillment(models.TextChoices):
        UNFULFILLED = "unfulfilled"
        FULFILLED = "fulfilled"

    public_id = PublicIdField(prefix="ord", unique=True)
    number = models.CharField(max_length=40)
    customer = models.ForeignKey(Customer, on_delete=models.RESTRICT, related_name="orders")
    total = money_field()
    currency = models.CharField(max_length=3, validators=[RegexValidator(r"^[A-Z]{3}\Z", "Such as USD.")])
    financial_status = models.CharField(max_length=20, choices=FinancialStatus, default=FinancialStatus.PENDING)
    fraud_check = models.CharField(max_length=10, choices=FraudCheck, default=FraudCheck.PENDING)
    risk_score = models.FloatField(null=True, blank=True, help_text="0 (safe) to 1.")
    fraud_reasons = models.JSONField(default=list, blank=True, help_text="A list of words.")
    fulfillment = models.CharField(max_length=12, choices=Fulfillment, default=Fulfillment.UNFULFILLED)
    placed_at = models.DateTimeField(null=True, blank=True, help_text="Empty while it is a basket.")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["merchant", "number"], name="order_number_once")]

    def __str__(self) -> str:
        return self.number

    def clean(self) -> None:
        """Refuse another merchant's customer."""
        self.refuse_foreign(customer=self.customer)


class OrderLine(models.Model):
    """A line of an order. Title and price stay as they were when it was placed."""

    id = models.BigAutoField(primary_key=True)
    public_id = PublicIdField(prefix="itm", unique=True)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.RESTRICT, related_name="+")
    title = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1)])
    price = money_field(help_text="Of one.")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.title


class Refund(Atomic):
    """Money given back, in full or in part."""

    id = models.BigAutoField(primary_key=True)
    public_id = PublicIdField(prefix="refund", unique=True)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="refunds")
    amount = money_field()
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.amount} of {self.order}"
