"""Customers and their orders."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from deliveries.sentences import counted
from examples.storefront import payloads, services
from examples.storefront.models import Customer, Order, OrderLine, Refund
from subscriptions.acting import name_of
from subscriptions.admin import local_times
from subscriptions.admin.own_rows import OwnRowsFilter
from subscriptions.admin.row_actions import WithRowActions, row_action
from subscriptions.admin.scoping import DEVELOPER, MerchantScoped

OWN_MERCHANT = ("merchant", OwnRowsFilter)


@admin.register(Customer)
class CustomerAdmin(MerchantScoped):
    """Who buys; orders bring them, nobody edits them here."""

    list_display = ["email", "name", "phone", "merchant"]
    list_filter = [OWN_MERCHANT]
    list_select_related = ["merchant"]
    search_fields = ["email", "last_name"]
    search_help_text = "Search addresses and last names"
    fields = ["public_id", "email", "first_name", "last_name", "phone"]


class PartOfOrder(TabularInline):
    """Rows that are read on their order's page by whoever may read the order."""

    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The order's own page has asked already."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only read."""
        return False

    has_change_permission = has_delete_permission = has_add_permission


class LineInline(PartOfOrder):
    """What was bought."""

    model = OrderLine
    fields = ["title", "quantity", "price"]


class RefundInline(PartOfOrder):
    """What was given back."""

    model = Refund
    fields = ["amount", "reason", "created_at"]
    readonly_fields = ["created_at"]


class OrderStateFilter(DropdownFilter):
    """Orders of one financial status."""

    title, parameter_name = "status", "status"

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """Offer the statuses."""
        return Order.FinancialStatus.choices

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Keep the chosen status."""
        return queryset.filter(financial_status=self.value()) if self.value() else queryset


@admin.register(Order)
class OrderAdmin(WithRowActions):
    """Orders come from the shop; here they take their next step."""

    needs = {"change": DEVELOPER}
    list_display = ["number", "amount", "financial_status", "fraud_check", "fulfillment", "placed", "merchant"]
    list_filter = [OrderStateFilter, OWN_MERCHANT]
    list_select_related = ["merchant"]
    search_fields = ["number", "public_id", "customer__email"]
    search_help_text = "Search numbers, ids and addresses"
    fields = [
        "public_id", "number", "email", "amount", "financial_status", "fraud_check", "fulfillment", "placed",
    ]  # fmt: skip
    readonly_fields = fields
    inlines = [LineInline, RefundInline]

    @display(description="Total")
    def amount(self, row: Order) -> str:
        """Return the total with its currency."""
        return f"{payloads.money(row.total)} {row.currency}"

    @display(description="Customer")
    def email(self, row: Order) -> str:
        """Return the customer's address."""
        return row.customer.email

    @display(description="Placed", ordering="placed_at")
    def placed(self, row: Order) -> str:
        """Return when it was placed."""
        return local_times.moment(row.placed_at, never="still a basket")

    @row_action("Mark as paid", icon="payments", when=lambda order: order.financial_status == "pending")
    def pay(self, request: HttpRequest, order: Order) -> str:
        """Confirm the payment."""
        return self._set(order, financial_status=Order.FinancialStatus.PAID)

    @row_action("Approve", icon="verified_user", when=lambda order: order.fraud_check == "pending")
    def approve(self, request: HttpRequest, order: Order) -> str:
        """Let it pass the fraud check."""
        return self._set(order, fraud_check=Order.FraudCheck.PASSED)

    @row_action("Reject", icon="gpp_bad", danger=True, when=lambda order: order.fraud_check == "pending")
    def reject(self, request: HttpRequest, order: Order) -> str:
        """Let it fail the fraud check."""
        return self._set(order, fraud_check=Order.FraudCheck.FAILED, fraud_reasons=["rejected_by_hand"])

    @row_action("Deliver the files", icon="outbox", when=lambda order: order.fulfillment == "unfulfilled")
    def fulfill(self, request: HttpRequest, order: Order) -> str:
        """Make the links."""
        links = services.fulfill_order(order=order, site=request.build_absolute_uri("/").rstrip("/"))
        return f"{counted(len(links), 'download link')} made."

    @row_action(
        "Refund",
        icon="undo",
        danger=True,
        confirm="Everything that is left of the order is given back, and its links stop working.",
        when=lambda order: order.financial_status in {"paid", "partially_refunded"},
    )
    def refund(self, request: HttpRequest, order: Order) -> str:
        """Give it all back."""
        refund = services.refund_order(order=order, by=name_of(request))
        return f"{payloads.money(refund.amount)} {order.currency} were refunded."

    def _set(self, order: Order, **columns: Any) -> str:
        for name, value in columns.items():
            setattr(order, name, value)
        order.save(update_fields=list(columns))
        return f"Order {order.number} is saved."
