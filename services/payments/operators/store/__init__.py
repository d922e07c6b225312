"""The lists and the transactions of operators, on PostgreSQL."""
