"""The time after a restore: whether the database is older than what has happened."""
