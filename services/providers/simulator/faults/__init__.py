"""How the simulator misbehaves: one mechanism for every provider's API. `modes` names the faults,
`control` knows which are on for whom, `wire` is what a provider's API tells of itself, and three
files carry them out: in HTTP, in answers, and in events."""
