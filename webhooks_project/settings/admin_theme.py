"""Settings of the merchant's desk: the theme, its navigation and what a page may load. Nothing comes from elsewhere."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

APPS = ["unfold", "unfold.contrib.filters", "unfold.contrib.forms"]
"""Stand before django.contrib.admin, whose templates they replace."""

MIDDLEWARE = ["deliveries.admin.csp.ContentSecurityPolicy"]


def _link(title: str, icon: str, name: str, model: Any = None, **more: Any) -> dict[str, Any]:
    if model is not None:
        more["permission"] = f"deliveries.admin.navigation.sees_{model}"
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{name}"), **more}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Merchant Webhooks",
    "SITE_HEADER": "Merchant Webhooks",
    "SITE_SUBHEADER": "Delivered, or explained",
    "SITE_SYMBOL": "webhook",
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "DASHBOARD_CALLBACK": "deliveries.admin.dashboard.fill",
    "SHOW_VIEW_ON_SITE": False,
    "LOGIN": {"form": "subscriptions.sign_in.SignInForm"},
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": {
            "50": "#eef7f6",
            "100": "#d3ece9",
            "200": "#a9dad5",
            "300": "#76c1bb",
            "400": "#3fa29b",
            "500": "#1f8780",
            "600": "#0f6e68",
            "700": "#0d5955",
            "800": "#0e4744",
            "900": "#0f3b39",
            "950": "#042321",
        },
        "font": {"subtle-light": "var(--color-base-600)", "subtle-dark": "var(--color-base-400)"},
    },
    "STYLES": [lambda _request: static("desk/desk.css")],
    "SCRIPTS": [lambda _request: static("desk/desk.js")],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("desk/icon.svg")}],
    "SIDEBAR": {
        "show_search": False,
        "command_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    _link("Dashboard", "monitoring", "index"),
                    _link("Webhooks", "webhook", "webhooks_subscriptions_webhook_changelist"),
                    _link("Delivery log", "receipt_long", "webhooks_deliveries_delivery_changelist"),
                    _link("Events", "bolt", "webhooks_deliveries_event_changelist"),
                    _link(
                        "Review queue",
                        "inbox",
                        "webhooks_deliveries_deadletter_changelist",
                        badge="deliveries.admin.navigation.open_dead_letters",
                        badge_variant="warning",
                    ),
                    _link("Notices", "notifications", "webhooks_deliveries_notice_changelist"),
                ]
            },
            {
                "title": "Example shop",
                "separator": True,
                "collapsible": True,
                "items": [
                    _link("Orders", "shopping_cart", "storefront_order_changelist"),
                    _link("Products", "sell", "storefront_product_changelist"),
                    _link("Files", "draft", "storefront_file_changelist"),
                    _link("Download links", "download", "storefront_download_changelist"),
                    _link("Customers", "person", "storefront_customer_changelist"),
                ],
            },
            {
                "title": "Reference",
                "separator": True,
                "items": [
                    _link("Event catalogue", "menu_book", "webhooks_subscriptions_eventtype_changelist"),
                    _link("Attempts", "swap_horiz", "webhooks_deliveries_attempt_changelist"),
                    _link("Bulk jobs", "playlist_play", "webhooks_deliveries_job_changelist"),
                    _link("Subscription history", "history", "webhooks_subscriptions_subscription_changelist"),
                    _link("Secret history", "key", "webhooks_subscriptions_signingsecret_changelist"),
                    _link("Expunged payloads", "ink_eraser", "webhooks_deliveries_expungedpayload_changelist"),
                ],
            },
            {
                "title": "Settings",
                "separator": True,
                "items": [
                    _link("API keys", "vpn_key", "webhooks_subscriptions_apikey_changelist", "keys"),
                    _link("Members", "group", "webhooks_subscriptions_membership_changelist"),
                    _link("Invitations", "mark_email_unread", "webhooks_subscriptions_invitation_changelist", "keys"),
                    _link("Who gets notices", "mail", "webhooks_deliveries_noticepreference_changelist"),
                    _link("Merchants", "storefront", "webhooks_subscriptions_merchant_changelist"),
                    _link("Accounts", "manage_accounts", "auth_user_changelist", "accounts"),
                    _link("Webhook states", "alt_route", "webhooks_deliveries_webhookstate_changelist", "accounts"),
                    _link("API rates", "speed", "webhooks_subscriptions_apirates_changelist", "accounts"),
                    _link("Counters", "bar_chart", "webhooks_deliveries_counter_changelist", "accounts"),
                ],
            },
        ],
    },
}
