"""The counters and histograms of `deliveries.meters`, and older tallies, as Prometheus' families."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from deliveries import meters
from subscriptions import tallies


def families(totals: Mapping[str, int]) -> Iterator[Metric]:
    """Yield a family for each meter, given what `tallies.totals` returned."""
    yield CounterMetricFamily(
        "webhooks_api_uncounted_requests_total",
        "API requests and sign-ins that passed uncounted because Redis was away.",
        value=totals.get(tallies.UNCOUNTED, 0),
    )
    refused = CounterMetricFamily(
        "webhooks_sign_ins_refused_total", "Sign-ins refused for too many attempts.", labels=["door", "counted_by"]
    )
    for door in tallies.DOORS:
        for counted_by in tallies.COUNTED_BY:
            refused.add_metric([door, counted_by], totals.get(f"{tallies.SIGN_INS_REFUSED}:{door}:{counted_by}", 0))
    yield refused
    for meter in meters.EVERY:
        if isinstance(meter, meters.Histogram):
            buckets, total = meter.found(totals)
            yield HistogramMetricFamily(meter.name, meter.text, buckets=buckets, sum_value=total)
        else:
            counter = CounterMetricFamily(meter.name, meter.text, labels=list(meter.labels))
            for values, count in meter.found(totals).items():
                counter.add_metric(list(values), count)
            yield counter
