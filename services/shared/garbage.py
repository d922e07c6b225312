"""How often a process looks for objects that only refer to each other."""

import gc

# Objects made since the last look, by generation.
COLLECT_AFTER = (20_000, 20, 50)


def collect_seldom() -> None:
    """What is there when a process begins to serve stays until it ends, so no collection looks at
    it; what comes later is looked at seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
