"""What operators see and do, on PostgreSQL."""
