"""The inbox and the places in lists of events, on PostgreSQL."""
