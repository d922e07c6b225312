"""The calls of merchants: quotes, payments, cancelling, refunds."""
