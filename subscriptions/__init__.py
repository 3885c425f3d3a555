"""Who wants to hear of what: merchants, their webhooks and subscriptions. Knows nothing of deliveries."""
