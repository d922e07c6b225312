"""Tokens (JWT): those of foreign issuers, and our own."""
