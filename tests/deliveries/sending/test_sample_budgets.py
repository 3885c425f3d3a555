"""Samples that settings are tried on have one budget of time together, whatever each of them could take alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from deliveries.payloads import filter_budget, filters, transformations
from deliveries.payloads.filter_budget import Budget, OverBudget
from deliveries.queueing.webhook_settings import settings_of
from deliveries.sending import previews, webhook_advice
from deliveries.sending.webhook_advice import Sample
from tests.support.factories import make_webhook

SAMPLES = [Sample("order.created", "{}", public_id=f"evt_{number}") for number in range(5)]


class Clock:
    """A clock of the processor, on which each evaluation takes so much."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        self.now, self.asked = 100.0, 0
        monkeypatch.setattr(filter_budget, "time", SimpleNamespace(thread_time=lambda: self.now))
        for module, name in ((filters, "refusal"), (transformations, "body_of")):
            monkeypatch.setattr(module, name, self._taking(seconds, getattr(module, name)))

    def _taking(self, seconds: float, evaluate: Any) -> Any:
        def asked(*given: Any, **named: Any) -> Any:
            self.asked += 1
            self.now += seconds
            return evaluate(*given, **named)

        return asked


def test_evaluations_end_with_the_time_that_they_have_together(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, 0)
    with filter_budget.within(0.1):
        budget = Budget(0)
        budget.step(1000)
        with filter_budget.within(10):  # no more than what is left
            clock.now += 0.15
            assert filter_budget.is_over()
            with pytest.raises(OverBudget, match="takes too long"):
                budget.step(1000)
    assert not filter_budget.is_over()
    Budget(0).step(1000)


@pytest.mark.django_db
def test_a_preview_tries_as_many_samples_as_there_is_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    webhook = make_webhook(events=["order.created"], filter="event == 'none'")
    clock = Clock(monkeypatch, previews.PREVIEWS_SECONDS / 2.5)
    found = previews.previews(settings_of(webhook, ["whsec_" + "x" * 32]), webhook.filter, SAMPLES)
    assert clock.asked == 3
    reasons = [preview.reason for preview in found]
    assert [reason[:12] for reason in reasons[:2]] == ["Filtered out"] * 2
    assert reasons[2:] == [previews.STOPPED, previews.TOO_COSTLY, previews.TOO_COSTLY]


def test_trials_and_warnings_leave_out_what_there_is_no_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, webhook_advice.ADVICE_SECONDS / 2.5)
    trials = webhook_advice.trials("length(data.none) > `1`", SAMPLES)
    assert clock.asked == 3
    assert [trial.is_tried for trial in trials] == [True, True, False, False, False]
    assert trials[4].text.endswith("was not tried: the time for this was used up.")


@pytest.mark.django_db
def test_what_was_not_tried_is_warned_of_as_little_as_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"filter": "length(data.none) > `1`", "fields": ["none"], "transform": "{n: length(data.none)}"}
    webhook = make_webhook(events=["order.created"], **settings)
    assert len(webhook_advice.warnings(webhook, SAMPLES)) >= 3
    clock = Clock(monkeypatch, webhook_advice.ADVICE_SECONDS * 2)
    assert webhook_advice.warnings(webhook, SAMPLES) == []
    assert clock.asked == 1
