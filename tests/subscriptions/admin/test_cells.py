"""Cells of lists: an address keeps its host whole, and whatever is cut stands whole in its title."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from subscriptions.admin import cells, local_times

LONG = "/".join(["hooks", "v1", "merchant-1045", "orders", "created"])


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://shop.example/", "shop.example"),
        ("https://shop.example", "shop.example"),
        ("https://shop.example/hooks", "shop.example/hooks"),
        ("http://shop.example/hooks", "http://shop.example/hooks"),
        ("https://shop.example:8443/hooks?key=1", "shop.example:8443/hooks?key=1"),
        (f"https://shop.example/{LONG}", "shop.example/hooks/v1…rs/created"),
        ("https://user:secret@shop.example/a", "shop.example/a"),
        (f"https://{'h' * 60}.{'o' * 60}.example/x", f"{'h' * 60}.{'o' * 60}.example/x"),
        ("https://[2001:db8::1]:8443/a", "[2001:db8::1]:8443/a"),
        ("https://shop.example/" + "x" * 200, "shop.example/xxxxxxxx…xxxxxxxxxx"),
        ("https://[broken/a", "https://[broken/a"),
    ],
)
def test_an_address_keeps_its_host_and_loses_the_middle_of_its_path(url: str, shown: str) -> None:
    assert cells.shortened(url) == shown


def test_a_cell_holds_the_whole_text_in_its_title_and_nothing_as_markup() -> None:
    cell = cells.webhook("<b>Shop</b>", "https://shop.example/" + "x" * 200 + '"><script>')
    assert "&lt;b&gt;Shop&lt;/b&gt;" in cell
    assert "x" * 200 + "&quot;&gt;&lt;script&gt;" in cell
    assert "<script>" not in cell


def test_without_a_name_the_host_comes_first() -> None:
    assert ">shop.example</span>" in cells.webhook("", "https://shop.example/hooks")
    assert ">/hooks</small>" in cells.webhook("", "https://shop.example/hooks")


@pytest.mark.parametrize("hours", [-8, 0, 5.75, 14])
def test_a_brief_time_is_utc_whatever_zone_it_comes_in(hours: float) -> None:
    when = datetime(2026, 3, 4, 23, 30, 15, tzinfo=UTC).astimezone(timezone(timedelta(hours=hours)))
    assert "<span>23:30:15</span><small>4 Mar 2026</small>" in cells.brief(when)
    assert cells.brief(None) == local_times.DASH
