"""The addresses of the subscriptions' resources, below /api/v1/."""

from django.urls import path

from subscriptions.api import api_keys, event_types, portal_links, tokens, webhook_actions, webhooks
from subscriptions.conf import settings

urlpatterns = [
    path("api-keys", api_keys.ApiKeyList.as_view()),
    path("api-keys/<str:id>", api_keys.ApiKeyDetail.as_view()),
    path("token", tokens.TokenPair.as_view()),
    path("token/refresh", tokens.TokenRefresh.as_view()),
    path("event-types", event_types.EventTypeList.as_view()),
    path("webhooks", webhooks.WebhookList.as_view()),
    path("webhooks/<str:id>", webhooks.WebhookDetail.as_view()),
    path("webhooks/<str:id>/pause", webhook_actions.WebhookPause.as_view()),
    path("webhooks/<str:id>/resume", webhook_actions.WebhookResume.as_view()),
    path("webhooks/<str:id>/rotate-secret", webhook_actions.WebhookSecret.as_view()),
]

if settings.WEBHOOKS_IS_SERVICE:  # a project that installs the apps signs in its own people
    urlpatterns.append(path("portal-links", portal_links.PortalLinkList.as_view()))
