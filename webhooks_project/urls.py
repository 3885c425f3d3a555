"""Every address the web process answers."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView

from subscriptions.sign_in import change_password, sign_in
from webhooks_project import failures, health
from webhooks_project.settings.example_shop import SHOP


def examples() -> list[Any]:
    """Return the example shop's addresses, where the checkout has it."""
    if not apps.is_installed(SHOP):
        return []
    from examples.storefront.shop_page import shop
    from examples.storefront.views import download

    return [
        path("admin/shop/", admin.site.admin_view(shop), name="shop"),
        path("api/", include("examples.storefront.api.urls")),
        path("download", download),
    ]


urlpatterns = [
    path("", RedirectView.as_view(pattern_name="shop" if settings.STOREFRONT_FIRST else "admin:index")),
    path("admin/login/", sign_in),  # in place of the site's own, under whose name it is found
    path("admin/password_change/", change_password),
    *examples(),  # before the site, which answers everything else below admin/
    path("admin/", admin.site.urls),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", health.metrics),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/redoc/", SpectacularRedocView.as_view(url_name="schema"), name="redoc"),
    path("", include("deliveries.urls")),
]

handler500 = failures.failed
