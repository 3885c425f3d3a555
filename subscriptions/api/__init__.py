"""The REST API's ground (who asks, how often, how errors read) and the subscriptions' resources that stand on it."""
