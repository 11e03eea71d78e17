"""A server that speaks a known protocol."""
