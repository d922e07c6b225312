"""Endpoints and the outbox on PostgreSQL."""
