"""The gateway: Envoy before the mesh, REST on one port and native gRPC on another."""
