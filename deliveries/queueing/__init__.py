"""What is due, and whose it is: wake-ups in Redis, claims in the database."""
