"""The way of an event: publish, fan out, lane, attempt, outcome, retry or dead letter, review."""
