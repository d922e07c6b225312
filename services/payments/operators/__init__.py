"""The verbs of operators, for payments on hold and dead letters, and the log of them."""
