"""What statements share: sessions, the database's clock, bulk rows, counters and dead letters."""
