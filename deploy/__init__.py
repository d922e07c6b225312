"""How Caravel is run: on one machine (local), in containers, and the corridors it offers."""
