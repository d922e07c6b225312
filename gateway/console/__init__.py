"""The operators' console: pages by which they see what waits for a person. A client of payments."""
