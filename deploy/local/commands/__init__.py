"""The command line of `./caravel`: a module for each family of commands."""
