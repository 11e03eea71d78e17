"""What `interruptible` is made of."""
