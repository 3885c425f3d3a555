"""Why an event reached a webhook, or did not, as the desk shows it: with a label and a colour."""

from __future__ import annotations

from deliveries.admin import labels
from deliveries.models import Delivery, Event
from deliveries.reporting import explanations


class ShownExplanation(explanations.Explanation):
    """An explanation with what a badge needs."""

    @property
    def state(self) -> str:
        """The badge's word."""
        if self.delivery is None:
            return self.status.replace("_", " ").capitalize()
        return str(Delivery.Status(self.status).label)

    @property
    def tone(self) -> str:
        """The badge's colour."""
        return labels.TONES.get(self.status, "default")


def explain(event: Event) -> list[ShownExplanation]:
    """Return an explanation for each webhook of the event's merchant, those it went to first."""
    return [ShownExplanation(**vars(each)) for each in explanations.explain(event)]
