"""Events for merchants: their endpoints, the outbox, and the delivery."""
