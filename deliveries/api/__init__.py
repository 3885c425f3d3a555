"""The deliveries' side of the REST API: events, deliveries, the review queue, statistics."""
