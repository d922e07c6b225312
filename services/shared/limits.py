"""How large one message may be. The gateway bounds what comes from outside, and batches between our
services are cut by the same figures that their servers refuse by."""

KIB = 1024
# The largest body that the gateway lets pass; a test holds it to the contract's `limits`.
BODY_MAX_BYTES = 256 * KIB
# Room for the names, lengths and headers around a body, or around the items of a batch.
FRAMING_MAX_BYTES = 32 * KIB
# The largest message from outside, held to the contract too, and the default of a server.
MESSAGE_MAX_BYTES = BODY_MAX_BYTES + FRAMING_MAX_BYTES
# The most that the items of one batch between our services may hold, and its message with them.
BATCH_MAX_BYTES = 2048 * KIB
BATCH_MESSAGE_MAX_BYTES = BATCH_MAX_BYTES + FRAMING_MAX_BYTES
# The most that the metadata of one call may hold: what 16 KiB of headers become at the gateway,
# which adds the original path and addresses, and gRPC counts 32 bytes more for each.
METADATA_MAX_BYTES = 64 * KIB
