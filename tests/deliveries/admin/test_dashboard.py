from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import DatabaseError, connection
from django.db.models import F, Sum
from django.test import Client
from django.utils import timezone

from deliveries.admin import attention, charts, labels
from deliveries.db import counters
from deliveries.models import Attempt, Counter, Delivery, HourCounter, WebhookState
from deliveries.reporting import stats
from deliveries.reporting.stats import Summary
from deliveries.transport import ErrorClass
from subscriptions import services
from subscriptions.models import Webhook
from tests.support.desk import Shop, add_counter, add_delivery, make_shop, pause, sign_in
from tests.support.factories import make_member, make_merchant, make_user, make_webhook


@pytest.fixture
def browser(shop: Shop) -> Client:
    return sign_in(shop.people["viewer"])


def tiles(browser: Client, window: str = "24h") -> dict[str, str]:
    return {tile["label"]: tile["value"] for tile in browser.get(f"/admin/?window={window}").context["tiles"]}


@pytest.mark.django_db
def test_the_figures_come_from_the_counters_of_the_window(shop: Shop, browser: Client) -> None:
    add_counter(shop.webhook, result="failed", count=1, ago=10)
    add_counter(shop.webhook, result="dead", count=1, ago=90)
    add_counter(shop.webhook, result="delivered", count=100, ago=60 * 24 * 3)
    add_counter(shop.webhook, result="skipped", count=50, ago=10)
    assert (tiles(browser, "1h")["Delivered"], tiles(browser, "1h")["Success rate"]) == ("3", "75.0 %")
    assert tiles(browser)["Success rate"] == "60.0 %"
    assert tiles(browser, "7d")["Delivered"] == "103"
    assert tiles(browser, "nonsense") == tiles(browser)


@pytest.mark.django_db
def test_counters_of_other_merchants_are_no_part_of_it(shop: Shop, browser: Client) -> None:
    add_counter(make_shop("borage").webhook, result="failed", count=1000, ago=10)
    answer = browser.get("/admin/")
    assert answer.context["failing"] == []
    assert "borage" not in answer.content.decode()
    assert tiles(browser)["Delivered"] == "3"


@pytest.mark.django_db
def test_staff_see_all_merchants_together(shop: Shop) -> None:
    make_shop("borage")
    assert tiles(sign_in(make_user(is_superuser=True)))["Delivered"] == "6"


@pytest.mark.django_db
def test_one_failure_in_a_hundred_thousand_does_not_read_as_all_well(shop: Shop, browser: Client) -> None:
    add_counter(shop.webhook, result="delivered", count=100_000, ago=10)
    add_counter(shop.webhook, result="failed", count=1, ago=10)
    assert tiles(browser)["Success rate"] == "99.9 %"


@pytest.mark.django_db
def test_the_worst_webhooks_stand_first(shop: Shop, browser: Client) -> None:
    worse = make_webhook(shop.merchant, name="worse")
    add_counter(shop.webhook, result="failed", count=2, ago=10)
    add_counter(worse, result="failed", count=5, ago=10)
    assert [each["webhook"] for each in browser.get("/admin/").context["failing"]] == [worse, shop.webhook]


@pytest.mark.django_db
def test_deleted_webhooks_are_not_among_the_worst_and_take_no_others_place(shop: Shop, browser: Client) -> None:
    for _ in range(attention.LOOKED_AT):
        gone = make_webhook(shop.merchant)
        add_counter(gone, result="failed", count=50, ago=10)
        services.delete_webhook(webhook=gone)
    fails(shop.webhook)
    shown = browser.get("/admin/")
    assert [each["webhook"] for each in shown.context["failing"]] == [shop.webhook]
    assert [each.webhook for each in shown.context["attention"]] == [shop.webhook]


def fails(webhook: Webhook, *, failures: int = 3) -> None:
    """Let a webhook's last attempts have failed."""
    add_counter(webhook, result="failed", count=failures, ago=10)
    since = timezone.now() - timedelta(minutes=10)
    WebhookState.objects.update_or_create(webhook=webhook, defaults={"failures": failures, "failing_since": since})


@pytest.mark.django_db
def test_a_webhook_that_fails_now_stands_first_with_reason_remedy_and_what_waits_for_a_decision(
    shop: Shop, browser: Client
) -> None:
    fails(shop.webhook)
    page = browser.get("/admin/").content.decode()
    card = page[page.index("data-failing") : page.index("</article>")]
    assert "3 failures in a row" in card
    assert "Your endpoint answered 503." in card
    assert "overloaded or in maintenance" in card
    assert f"/delivery/{shop.delivery.pk}/change/#attempt-{shop.attempt.pk}" in card
    assert f'deadletter/?webhook__id__exact={shop.webhook.pk}">1 in review' in card
    assert page.index("data-failing") < page.index("desk-tiles")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "status", "words", "part"),
    [
        ("http_error", 401, "Check the secret", "#signing"),
        ("http_error", 403, "Check the secret", "#signing"),
        ("http_error", 404, "Change the settings", "#settings"),
        ("redirect", 302, "Change the settings", "#settings"),
        ("dns_failed", None, "Change the settings", "#settings"),
    ],
)
def test_a_failing_webhook_is_shown_with_its_endpoints_own_words_and_the_way_to_the_remedy(
    error: str, status: int | None, words: str, part: str, shop: Shop, browser: Client
) -> None:
    fails(shop.webhook)
    body = b'{"error": "no", "message": "signature <b>does not</b> match"}'
    Attempt.objects.update(error=error, status_code=status, response_body=body)
    page = browser.get("/admin/").content.decode()
    card = page[page.index("data-failing") : page.index("</article>")]
    assert "It said: <q>signature &lt;b&gt;does not&lt;/b&gt; match</q>" in card
    assert f'/webhook/{shop.webhook.pk}/change/{part}">{words}</a>' in card


@pytest.mark.parametrize("error", [*ErrorClass, "unheard_of"])
@pytest.mark.parametrize("status", [None, 200, 302, 401, 418, 500])
def test_where_there_is_a_remedy_on_the_webhooks_page_there_is_advice(error: str, status: int | None) -> None:
    remedy = labels.remedy(error, status)
    assert remedy is None or (remedy in labels.REMEDIES.values() and labels.advice(error, status))


@pytest.mark.django_db
def test_of_webhooks_that_failed_only_those_that_fail_now_and_run_are_named(shop: Shop, browser: Client) -> None:
    works, paused, off = (make_webhook(shop.merchant) for _ in range(3))
    add_counter(works, result="failed", count=50, ago=10)
    for webhook in (paused, off):
        fails(webhook)
    pause(paused)
    services.disable(webhook=off)
    fails(make_shop("borage").webhook)
    assert browser.get("/admin/").context["attention"] == []
    fails(works)
    assert [each.webhook for each in browser.get("/admin/").context["attention"]] == [works]


@pytest.mark.django_db
def test_open_deliveries_and_the_oldest_overdue_one(shop: Shop, browser: Client) -> None:
    add_delivery(shop.webhook, status="retrying", due_at=timezone.now() - timedelta(seconds=300))
    add_delivery(shop.webhook, status="retrying", due_at=timezone.now() + timedelta(seconds=300))
    answer = browser.get("/admin/")
    [tile] = [tile for tile in answer.context["tiles"] if tile["label"] == "Open deliveries"]
    assert (tile["value"], tile["note"], tile["tone"]) == ("2", "oldest due 300 s ago", "warning")


@pytest.mark.django_db
def test_what_a_paused_or_switched_off_webhook_holds_is_not_overdue(shop: Shop, browser: Client) -> None:
    held = add_delivery(shop.webhook, status="retrying", due_at=timezone.now() - timedelta(seconds=300))
    pause(shop.webhook)
    off = make_webhook(shop.merchant)
    services.disable(webhook=off)
    answer = browser.get("/admin/")
    assert answer.context["waits"].oldest_due is None
    assert "1 webhook paused" in answer.content.decode()
    assert Delivery.objects.get(pk=held.pk).is_open


@pytest.mark.django_db
def test_a_new_merchant_is_told_what_to_do_first() -> None:
    merchant = make_merchant()
    page = sign_in(make_member(merchant)).get("/admin/").content.decode()
    assert "Create your first webhook" in page
    assert "Create your first webhook" not in sign_in(make_member(merchant, "viewer")).get("/admin/").content.decode()


@pytest.mark.django_db
def test_a_quiet_stretch_says_so(shop: Shop, browser: Client) -> None:
    shop.rows["counter"].delete()
    assert "No attempt in the last hour" in browser.get("/admin/?window=1h").content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("window", ["1h", "24h", "7d", "30d"])
def test_every_window_draws_axes_with_units(window: str, shop: Shop, browser: Client) -> None:
    page = browser.get(f"/admin/?window={window}").content.decode()
    assert page.count('<svg viewBox="0 0 720 240"') == 2
    assert "attempts" in page
    assert " ms</text>" in page
    assert 'aria-label="Attempts by outcome: Delivered: 3' in page


# --- counters and drawings, without a page --------------------------------------------------------------------------


@pytest.mark.parametrize(("ms", "band"), [(0, 0), (5, 0), (5.1, 1), (30_000, 15), (10**9, 15)])
def test_a_duration_falls_into_the_band_it_does_not_exceed(ms: float, band: int) -> None:
    assert stats.band_of(ms) == band


def test_a_percentile_lies_in_the_band_that_holds_it() -> None:
    bands = {0: 50, 6: 40, 10: 10}
    assert stats.percentile(bands, 0.5) == 5
    assert 75 < (stats.percentile(bands, 0.9) or 0) <= 100
    assert 500 < (stats.percentile(bands, 0.99) or 0) < 1000
    assert stats.percentile({}, 0.5) is None


@pytest.mark.django_db
def test_a_series_has_every_step_of_the_window_once() -> None:
    steps = stats.series(window=timedelta(hours=6), points=12)
    assert len(steps) == 13
    moments = [at for at, _point in steps]
    assert {after - before for before, after in pairwise(moments)} == {timedelta(minutes=30)}


@pytest.mark.django_db
@pytest.mark.parametrize("hours", [1, 6, 7, 24, 100, 720])
def test_a_series_and_the_summary_of_the_same_window_agree(hours: int, shop: Shop) -> None:
    for ago in (10, 100, 1000, 1400, *range(0, hours * 60 + 120, max(7, hours * 3))):
        add_counter(shop.webhook, ago=ago, count=7)
        add_counter(shop.webhook, ago=ago, result="failed", ms=9000.0, count=1)
    window = timedelta(hours=hours)
    whole = stats.summary(window=window, webhook=shop.webhook)
    for points in (24, 48, 60):
        steps = stats.series(window=window, points=points, webhook=shop.webhook)
        assert stats.total(steps) == whole
    assert whole.counts["delivered"] > 3 + 7 * 8


@pytest.mark.django_db
def test_long_windows_are_read_from_the_hours_and_short_ones_from_the_five_minutes(shop: Shop) -> None:
    add_counter(shop.webhook, ago=30, count=7)
    HourCounter.objects.update(count=F("count") * 100)
    assert stats.summary(window=timedelta(hours=6)).delivered == 10
    assert stats.summary(window=timedelta(days=7)).delivered == 1000


@pytest.mark.django_db(transaction=True)
def test_an_attempt_counts_in_its_five_minutes_and_in_its_hour_or_in_neither(shop: Shop) -> None:
    before = [model.objects.aggregate(sum=Sum("count"))["sum"] for model in (Counter, HourCounter)]
    count = counters.Count(shop.merchant.pk, shop.webhook.pk, timezone.now(), "delivered", 5.0)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE webhooks_deliveries_hourcounter RENAME TO out_of_reach")
        try:
            with pytest.raises(DatabaseError):
                counters.add([count])
        finally:
            cursor.execute("ALTER TABLE out_of_reach RENAME TO webhooks_deliveries_hourcounter")
    assert [model.objects.aggregate(sum=Sum("count"))["sum"] for model in (Counter, HourCounter)] == before
    counters.add([count, count])
    after = [model.objects.aggregate(sum=Sum("count"))["sum"] for model in (Counter, HourCounter)]
    assert after == [each + 2 for each in before]


@pytest.mark.parametrize(
    ("value", "top"), [(0, 4), (3, 4), (5, 8), (9, 20), (41, 60), (79, 80), (81, 100), (401, 600), (1001, 2000)]
)
def test_an_axis_ends_at_a_round_number(value: float, top: float) -> None:
    assert charts.ceiling(value) == top


@pytest.mark.parametrize("value", [*range(1, 2000, 7), 9_999, 123_456])
def test_the_ticks_of_an_axis_are_whole_numbers_in_equal_steps(value: int) -> None:
    top = charts.ceiling(value)
    assert top >= value
    assert (top / charts.TICKS).is_integer()


def test_a_stack_is_as_high_as_its_parts_together() -> None:
    point = Summary(counts={"delivered": 60, "failed": 30, "dead": 10}, bands={3: 100})
    chart = charts.outcomes([(datetime(2026, 1, 1, tzinfo=UTC), point)])
    floor, top = charts.HEIGHT - charts.BOTTOM, charts.TOP
    assert sum(bar.height for bar in chart.bars) == floor - top
    assert [bar.style for bar in chart.bars] == ["good", "fair", "bad"]


def test_a_line_breaks_where_nothing_was_measured() -> None:
    measured = Summary(counts={"delivered": 20}, bands={3: 20}, total_ms=800)
    moments = [datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in range(5)]
    points = [measured, measured, Summary(), measured, measured]
    chart = charts.response_times(list(zip(moments, points, strict=True)))
    assert [len(line.parts) for line in chart.lines] == [2, 2, 2]
