"""The invariants, by what they are about; each statement gives one row a violation."""
