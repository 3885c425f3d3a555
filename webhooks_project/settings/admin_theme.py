"""Settings of the merchant's desk: the theme, its navigation and what a page may load. Nothing comes from elsewhere."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest
from django.urls import reverse, reverse_lazy
from django.utils.functional import lazy

from subscriptions import theme
from subscriptions.acting import PERSON
from webhooks_project.settings import example_shop

APPS = ["unfold", "unfold.contrib.filters", "unfold.contrib.forms"]
"""Stand before django.contrib.admin, whose templates they replace."""

OUTER_MIDDLEWARE = ["deliveries.admin.csp.PageHeaders"]
MIDDLEWARE = ["deliveries.admin.csp.ContentSecurityPolicy"]


_link = partial(theme.link, "admin")


def _help_address(name: str) -> str:
    from webhooks_project.outside.pages import links  # settings are read before models

    return dict(links())[name]


_SHOP = {
    "title": "Example shop",
    "separator": True,
    "collapsible": True,
    "items": [
        {
            "title": "Shop",
            "icon": "local_mall",
            "link": reverse_lazy("shop"),
            "permission": "deliveries.admin.navigation.changes_webhooks",
        },
        _link("Orders", "shopping_cart", "storefront_order_changelist"),
        _link("Products", "sell", "storefront_product_changelist"),
        _link("Files", "draft", "storefront_file_changelist"),
        _link("Download links", "download", "storefront_download_changelist"),
        _link("Customers", "person", "storefront_customer_changelist"),
    ],
}

_HELP = {
    "title": "Help",
    "separator": True,
    "items": [
        {"title": name, "icon": icon, "link": lazy(partial(_help_address, name), str)()}
        for name, icon in (("Guide", "help"), ("API reference", "code"), ("Service status", "monitor_heart"))
    ],
}


def _account(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the links of the menu below one's name; none in a session of a portal link, which has no password."""
    return [] if request.session.get(PERSON) else [{"title": "Your account", "link": reverse("account")}]


UNFOLD = theme.unfold(
    "admin",
    last=[_HELP],
    account=_account,
    more=[_SHOP] if example_shop.APPS else [],
    settings_links=[_link("Accounts", "manage_accounts", "auth_user_changelist", "accounts")],
)
