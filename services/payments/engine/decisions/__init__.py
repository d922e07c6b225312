"""The next move of a payment, and the meaning of an answer for it: pure decisions from recorded
facts."""
