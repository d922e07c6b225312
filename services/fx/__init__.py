"""Rates: what a dollar is worth in a corridor's currency, and how we know."""
