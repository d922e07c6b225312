"""Payments and quotes on PostgreSQL."""
