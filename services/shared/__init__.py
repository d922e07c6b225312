"""The only common code, a closed list: a file is added when three services need it, and
DECISIONS.md says why. Nothing here knows a service."""
