"""What to do next with a payment, and what an answer means for it: pure decisions from recorded
facts."""
