"""What is kept for the record: which patterns a webhook listened to when, and how long each secret signed."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from subscriptions import desk
from subscriptions.admin import local_times
from subscriptions.admin.own_rows import OwnRowsFilter
from subscriptions.admin.scoping import MerchantScoped
from subscriptions.models import SigningSecret, Subscription
from subscriptions.patterns import EVERYTHING


@desk.register(Subscription)
class SubscriptionAdmin(MerchantScoped):
    """The history of subscriptions; they change with their webhook."""

    list_display = ["listens_to", "webhook", "from_when", "until_when", "merchant"]
    list_select_related = ["webhook", "merchant"]
    list_filter = [("webhook", OwnRowsFilter), ("merchant", OwnRowsFilter)]
    search_fields = ["pattern"]
    search_help_text = "Search event types"
    fields = ["listens_to", "webhook", "from_when", "until_when"]
    readonly_fields = ["listens_to", "from_when", "until_when"]

    @display(description="Listens to", ordering="pattern")
    def listens_to(self, row: Subscription) -> str:
        """Return the pattern, in words where it is the one for everything."""
        return "Everything (*)" if row.pattern == EVERYTHING else row.pattern

    @display(description="Since", ordering="created_at")
    def from_when(self, row: Subscription) -> str:
        """Return when it began."""
        return local_times.moment(row.created_at)

    @display(description="Until", ordering="ended_at")
    def until_when(self, row: Subscription) -> str:
        """Return when it ended."""
        return local_times.moment(row.ended_at, never="still on")


@desk.register(SigningSecret)
class SigningSecretAdmin(MerchantScoped):
    """When each secret began and ended; never what it is."""

    merchant_path = "webhook__merchant_id"
    list_display = ["label", "webhook", "since", "until", "signs"]
    list_select_related = ["webhook"]
    list_filter = [("webhook", OwnRowsFilter)]
    fields = ["label", "webhook", "since", "until", "signs"]
    readonly_fields = ["label", "since", "until", "signs"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave the secret itself where it is, encrypted."""
        return super().get_queryset(request).defer("value")

    @display(description="Secret")
    def label(self, row: SigningSecret) -> str:
        """Name it without showing it."""
        return f"Secret {row.pk}"

    @display(description="Created", ordering="created_at")
    def since(self, row: SigningSecret) -> str:
        """Return when it was made."""
        return local_times.moment(row.created_at)

    @display(description="Stops signing", ordering="expires_at")
    def until(self, row: SigningSecret) -> str:
        """Return when it stops."""
        return local_times.moment(row.expires_at, never="when replaced")

    @display(description="Signs now", boolean=True)
    def signs(self, row: SigningSecret) -> bool:
        """Tell whether it still signs."""
        return row.is_active(timezone.now())
