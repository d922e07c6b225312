"""What people do where the engine has stopped, and the log of it."""
