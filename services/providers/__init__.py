"""providers: the only service that calls the companies that move money. Stateless: what must be
remembered, payments remembers."""
