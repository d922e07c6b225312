"""The floor of payments: tables, rows, batches, keys, pages, and what several folders show."""
