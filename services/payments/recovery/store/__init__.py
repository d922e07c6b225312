"""The mark of the database, on PostgreSQL."""
