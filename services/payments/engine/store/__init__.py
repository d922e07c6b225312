"""The transactions of the engine: claim, mark as sent, write, quarantine."""
