"""How often a process looks for objects that only refer to each other."""

import gc

# Objects made since the last look, by generation.
COLLECT_AFTER = (20_000, 20, 50)


def collect_seldom() -> None:
    """Objects from before a process serves stay until it ends, so no collection looks at them;
    later objects are rarely looked at."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
