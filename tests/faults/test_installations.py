"""Two installations on one broker take each other's tasks; the doctor of either says so."""

from __future__ import annotations

import pytest

from tests.faults.stage import Stage
from tests.faults.test_rabbitmq import doctor

pytestmark = pytest.mark.faults


def test_a_worker_of_another_installation_on_the_same_broker_is_named(stage: Stage):
    ours = stage.worker()
    assert doctor(stage)["installations"]["status"] == "ok"
    stage.worker(REDIS_PREFIX="other")
    found = doctor(stage)["installations"]
    assert found["status"] == "problem"
    names = found["text"].partition(": ")[2]
    assert len(names.split(",")) == 1, "our own is not named"
    assert "CELERY_BROKER_URL" in found["fix"]
    assert doctor(stage, REDIS_PREFIX="other")["installations"]["status"] == "problem"
    assert ours.runs
