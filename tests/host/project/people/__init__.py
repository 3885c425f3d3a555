"""The host's accounts."""
