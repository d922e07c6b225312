"""The operators' RPCs."""
