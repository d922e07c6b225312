"""`./caravel`: the whole mesh on one machine, with a real Envoy and a real PostgreSQL. Nothing in
here is part of a service; a deployment elsewhere uses none of it."""
