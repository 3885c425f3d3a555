"""Prints the event reference: `python -m subscriptions.event_types > docs/events.md`."""

import sys

from subscriptions.event_types.reference import render

if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(render())
