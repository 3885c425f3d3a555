"""How the theme shows the desk: its name, colours, files and navigation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy


def link(site: str, title: str, icon: str, name: str, sees: str = "", **more: Any) -> dict[str, Any]:
    """Return an entry of the navigation, to a page of the admin site of that name.

    `sees` names who does, of `deliveries.admin.navigation`: keys or accounts; everybody where it is empty.
    """
    if sees:
        more["permission"] = f"deliveries.admin.navigation.sees_{sees}"
    return {"title": title, "icon": icon, "link": reverse_lazy(f"{site}:{name}"), **more}


def unfold(
    site: str,
    *,
    more: Sequence[Any] = (),
    last: Sequence[Any] = (),
    settings_links: Sequence[Any] = (),
    account: Callable[[Any], list[Any]] | None = None,
) -> dict[str, Any]:
    """Return the theme's settings for the admin site of that name.

    `more` and `last` are groups of the navigation, `account` returns the links of the menu below a person's name.
    """

    def _link(title: str, icon: str, name: str, sees: str = "", **rest: Any) -> dict[str, Any]:
        return link(site, title, icon, name, sees, **rest)

    return {
        "SITE_TITLE": "Merchant Webhooks",
        "SITE_HEADER": "Merchant Webhooks",
        "SITE_SUBHEADER": "Delivered, or explained",
        "SITE_SYMBOL": "webhook",
        "SITE_URL": None,
        "SHOW_HISTORY": True,
        "DASHBOARD_CALLBACK": "deliveries.admin.dashboard.fill",
        "SHOW_VIEW_ON_SITE": False,
        "LOGIN": {"form": "subscriptions.sign_in.SignInForm"},
        **({"ACCOUNT": {"navigation": account}} if account else {}),
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
        "SCRIPTS": [
            lambda _request: static("desk/desk.js"),
            lambda _request: static("desk/parts.js"),
            lambda _request: static("desk/live.js"),
            lambda _request: static("desk/keyboard.js"),
        ],
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
                        _link("Notifications", "notifications", "webhooks_deliveries_notice_changelist"),
                    ]
                },
                *more,
                {
                    "title": "Reference",
                    "separator": True,
                    "items": [
                        _link("Event catalogue", "menu_book", "webhooks_subscriptions_eventtype_changelist"),
                        _link("Attempts", "swap_horiz", "webhooks_deliveries_attempt_changelist"),
                        _link("Bulk jobs", "playlist_play", "webhooks_deliveries_job_changelist"),
                        _link("Subscriptions", "history", "webhooks_subscriptions_subscription_changelist"),
                        _link("Signing secrets", "key", "webhooks_subscriptions_signingsecret_changelist"),
                        _link("Expunged payloads", "ink_eraser", "webhooks_deliveries_expungedpayload_changelist"),
                    ],
                },
                {
                    "title": "Settings",
                    "separator": True,
                    "items": [
                        _link("API keys", "vpn_key", "webhooks_subscriptions_apikey_changelist", "keys"),
                        _link("Members", "group", "webhooks_subscriptions_membership_changelist"),
                        _link(
                            "Invitations", "mark_email_unread", "webhooks_subscriptions_invitation_changelist", "keys"
                        ),
                        _link("Who gets notifications", "mail", "webhooks_deliveries_noticepreference_changelist"),
                        _link("Merchants", "storefront", "webhooks_subscriptions_merchant_changelist"),
                        *settings_links,
                        _link("Webhook states", "alt_route", "webhooks_deliveries_webhookstate_changelist", "accounts"),
                        _link("API rates", "speed", "webhooks_subscriptions_apirates_changelist", "accounts"),
                        _link("Counters", "bar_chart", "webhooks_deliveries_counter_changelist", "accounts"),
                    ],
                },
                *last,
            ],
        },
    }
