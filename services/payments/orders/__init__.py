"""What merchants ask for: quotes, payments, cancelling, refunds."""
