"""The way of an event: publish, fan out, webhook, attempt, outcome, retry or dead letter, review."""
