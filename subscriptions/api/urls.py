"""The addresses of the subscriptions' resources, below /api/v1/."""

from django.urls import path

from subscriptions.api import event_types, webhooks

urlpatterns = [
    path("event-types", event_types.EventTypeList.as_view()),
    path("webhooks", webhooks.WebhookList.as_view()),
    path("webhooks/<str:id>", webhooks.WebhookDetail.as_view()),
    path("webhooks/<str:id>/pause", webhooks.WebhookPause.as_view()),
    path("webhooks/<str:id>/resume", webhooks.WebhookResume.as_view()),
    path("webhooks/<str:id>/rotate-secret", webhooks.WebhookSecret.as_view()),
]
