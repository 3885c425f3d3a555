"""Retry policies: how often a failed delivery is tried again, and when. Pure; knows no models."""
