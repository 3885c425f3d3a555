"""Settings of the merchant's desk: the theme, its navigation and what a page may load. Nothing comes from elsewhere."""

from __future__ import annotations

from functools import partial

from django.urls import reverse_lazy

from subscriptions import theme
from webhooks_project.settings import example_shop

APPS = ["unfold", "unfold.contrib.filters", "unfold.contrib.forms"]
"""Stand before django.contrib.admin, whose templates they replace."""

MIDDLEWARE = ["deliveries.admin.csp.ContentSecurityPolicy"]


_link = partial(theme.link, "admin")

_SHOP = {
    "title": "Example shop",
    "separator": True,
    "collapsible": True,
    "items": [
        {"title": "Shop", "icon": "local_mall", "link": reverse_lazy("shop")},
        _link("Orders", "shopping_cart", "storefront_order_changelist"),
        _link("Products", "sell", "storefront_product_changelist"),
        _link("Files", "draft", "storefront_file_changelist"),
        _link("Download links", "download", "storefront_download_changelist"),
        _link("Customers", "person", "storefront_customer_changelist"),
    ],
}

UNFOLD = theme.unfold(
    "admin",
    more=[_SHOP] if example_shop.APPS else [],
    settings_links=[_link("Accounts", "manage_accounts", "auth_user_changelist", "accounts")],
)
