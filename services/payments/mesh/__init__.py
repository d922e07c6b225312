"""The other services as payments sees them: fees, fx and providers, and their ports."""
