"""What the operator sees of the service; may import `tokens`."""
