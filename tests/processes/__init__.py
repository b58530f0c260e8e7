"""The service, and its parts, as processes of their own: signals, workers, pipes, files that change."""
