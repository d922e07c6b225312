"""The invariants, by subject; each statement gives one row for each violation."""
