"""The demo: the whole product on this machine with receivers, buses and a feed, and a list of what must then be true.

`environment` decides what is ours to start, `processes` starts it, `cast` makes merchant, webhooks and receivers (`bus`
is one), `story` publishes and waits, `expectations` decides, `screen` shows. `stage` puts them together.
"""

from deliveries.management.demo.stage import Stage

__all__ = ["Stage"]
