"""What several tests stand on: a real server, raw HTTP, and the log of the whole run."""
