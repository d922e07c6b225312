"""What becomes of a payment: decisions, the worker, leases, quarantine."""
