"""The only common code, a closed list: a file is added when three services need it, and
a file in docs/decisions says why. Nothing here knows a service."""
