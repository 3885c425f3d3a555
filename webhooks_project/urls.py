"""Every address the web process answers, but for probes (`webhooks_project.probes`)."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from subscriptions.sign_in import change_password, sign_in
from webhooks_project import failures
from webhooks_project.account.forgotten import ChooseAnother, forgotten
from webhooks_project.account.own_account import own_account, recovery_codes
from webhooks_project.account.second_step import second_step
from webhooks_project.outside.guide import guide
from webhooks_project.outside.openapi import OpenApi
from webhooks_project.outside.reference import reference
from webhooks_project.outside.status import status
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
    path("admin/login/code/", second_step, name="second_factor"),
    path("admin/password_change/", change_password),
    path("admin/password_reset/", forgotten, name="admin_password_reset"),  # as the theme's sign-in page looks for it
    path("admin/password_reset/<uidb64>/<token>/", ChooseAnother.as_view(), name="password_reset_confirm"),
    path("admin/account/", admin.site.admin_view(own_account), name="account"),
    path("admin/account/recovery-codes/", admin.site.admin_view(recovery_codes), name="recovery_codes"),
    *examples(),  # before the site, which answers everything else below admin/
    path("admin/", admin.site.urls),
    path("api/schema/", OpenApi.as_view(), name="schema"),
    path("api/docs/", reference, name="docs"),
    path("api/redoc/", RedirectView.as_view(pattern_name="docs", permanent=True)),  # as it was called before
    path("guide/", guide, name="guide"),
    path("guide/<slug:name>/", guide, name="guide"),
    path("status/", status, name="status"),
    path("", include("deliveries.urls")),
]

handler500 = failures.failed
handler403 = failures.forbidden
handler400 = failures.malformed
