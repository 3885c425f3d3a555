"""The row lock that two people changing one webhook, or one merchant, meet at."""

from __future__ import annotations

from django.core.exceptions import ValidationError

from subscriptions.models import Merchant, Webhook

# `no_key`: FOR UPDATE would also hold up whoever inserts rows that refer to the locked one.


def lock_webhook(webhook: Webhook) -> None:
    """Lock the webhook's row until the transaction ends, and bring `webhook` up to date in place.

    Raises ValidationError when it is deleted: what is kept for the log doesn't change.
    """
    reread_locked(webhook)
    if webhook.deleted_at is not None:
        raise ValidationError({"webhook": [f"{webhook.public_id} was deleted and can't be changed. Create a new one."]})


def reread_locked(webhook: Webhook) -> None:
    """Lock the webhook's row and bring `webhook` up to date in place, deleted or not."""
    webhook.refresh_from_db(from_queryset=Webhook.objects.select_for_update(no_key=True))


def lock_merchant(merchant: Merchant) -> Merchant:
    """Lock the merchant's row until the transaction ends, and return it as it is now."""
    return Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)
