"""The history of the schema; each version says why it was needed."""
