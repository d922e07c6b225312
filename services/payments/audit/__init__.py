"""The invariants of the database, and the figures that explain it."""
