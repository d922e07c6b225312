"""The simulator: a process of its own that stands in for the providers, over their own HTTP. It
shares no code with the adapters, keeps its own book on disk, and misbehaves when it is asked to:
the independent witness of every fault test."""
