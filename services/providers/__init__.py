"""providers: the only door to the companies that move money. Stateless: what must be remembered,
payments remembers."""
