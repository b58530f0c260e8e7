"""What comes in and what goes out: HTTP, the contract, every error; may import `tokens` and `operation`."""
