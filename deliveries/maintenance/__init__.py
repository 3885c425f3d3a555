"""Keeping the tables small and right: retention, expunging."""
