"""The nouns and rules of payments, pure: no transport, no database, no clock."""
