"""How the simulator misbehaves: one mechanism for every provider's API. `modes` names the
faults, `control` knows which are on for whom, `wire` is the declaration of a provider's API, and
three files carry them out: in HTTP, in answers, and in events."""
