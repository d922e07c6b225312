"""Everything that adapters share, and nothing that one provider alone means: HTTP, the bearer key,
checks of answers and events, amounts, waits, settings, and the registration of an adapter."""
