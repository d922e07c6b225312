"""The four services and the little they share. A service never imports another one: they meet only
over the contracts in protos/. `shared` imports no service."""
