"""The nouns of a payment and their rules, pure: no transport, no database, no clock."""
