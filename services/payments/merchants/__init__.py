"""The merchant of each call."""
