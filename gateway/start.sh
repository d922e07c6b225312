#!/bin/sh
# Starts Envoy: `start.sh envoy ARGUMENTS`. Envoy aborts when it cannot open a file or a socket. So it
# gets as many descriptors as it may have, and takes fewer connections than that: what is left is for
# its own, to replicas and files. A connection beyond the most is closed at once.
set -eu

ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
descriptors=$(ulimit -n)
[ "$descriptors" != unlimited ] || descriptors=1048576

kept=$((descriptors / 2))
[ "$kept" -le 1024 ] || kept=1024
connections=$((descriptors - kept))
[ "$connections" -le 10000 ] || connections=10000

exec "$@" --config-yaml "
overload_manager:
  resource_monitors:
  - name: envoy.resource_monitors.global_downstream_max_connections
    typed_config:
      '@type': type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig
      max_active_downstream_connections: $connections
"
