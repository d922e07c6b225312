"""The steps of a payment: decisions, the worker, leases, quarantine."""
