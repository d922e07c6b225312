"""The operators that a sandbox has built in, with keys that everybody knows, so that a person can
try the work of two. No other deployment takes them."""

from collections.abc import Mapping

# The first is the one who acts where a call has no credential.
OPERATORS: Mapping[str, str] = {
    "ada": "cvo_test_01k4000000e008000000000001sandboxada00000000000000000000000000000000046nRhk",
    "grace": "cvo_test_01k4000000e008000000000002sandboxgrace000000000000000000000000000000022bvpe",
}
