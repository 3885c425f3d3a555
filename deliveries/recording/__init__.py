"""From an outcome to a decision, and both into the database."""
