"""The operators' requests and answers."""
