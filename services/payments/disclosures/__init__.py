"""Shows how prices were made, from stored facts alone."""
