"""The conversation thread, and what crosses from one thread to another."""
