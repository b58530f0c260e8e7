"""What the environment may say; nothing else of the service reads it, and this imports nothing else."""
