"""Taking turns: a recurring job's row is its lock."""

from __future__ import annotations

from django.utils import timezone

from deliveries.models import MaintenanceTask


def turn(name: str) -> MaintenanceTask | None:
    """Lock the job's row until the transaction ends and return it; None when another process has it.

    The caller saves it.
    """
    MaintenanceTask.objects.bulk_create([MaintenanceTask(name=name)], ignore_conflicts=True)
    place = MaintenanceTask.objects.select_for_update(skip_locked=True).filter(pk=name).first()
    if place is not None:
        place.ran_at = timezone.now()
    return place
