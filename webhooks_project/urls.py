"""Every address the web process answers."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView

from examples.storefront.views import download
from subscriptions.api import shopery
from subscriptions.api.base import NotFoundView
from subscriptions.invitation_page import invitation
from subscriptions.sign_in import change_password, sign_in
from webhooks_project import failures, health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/login/", sign_in),  # stands for the site's own, under whose name it is found
    path("admin/password_change/", change_password),
    path("invitations/<str:token>/", invitation, name="invitation"),
    path("admin/", admin.site.urls),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", health.metrics),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/redoc/", SpectacularRedocView.as_view(url_name="schema"), name="redoc"),
    path("api/v1/", include("subscriptions.api.urls")),
    path("api/v1/", include("deliveries.api.urls")),
    path("company/webhooks", shopery.CompanyWebhooks.as_view()),
    path("company/webhooks/<str:id>", shopery.CompanyWebhook.as_view()),
    path("api/", include("examples.storefront.api.urls")),
    path("download", download),
    re_path(r"^(?:api/v1|company)(?:/.*)?$", NotFoundView.as_view()),
]

handler500 = failures.failed
