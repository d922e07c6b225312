"""What must be true of the database at every moment, and the figures that explain it."""
