"""Event data: canonical JSON, filters, chosen fields. Pure; knows no models."""
