"""What people decide about deliveries: replay, retry, cancel, discard; one by one or in bulk."""
