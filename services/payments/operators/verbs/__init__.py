"""The operators' verbs on one payment."""
