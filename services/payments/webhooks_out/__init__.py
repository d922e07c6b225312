"""What merchants are told: their endpoints, the outbox, and the delivery."""
