"""Events of providers: received, verified by providers, kept in the inbox."""
