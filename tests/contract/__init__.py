"""The running service against its contract, over a socket."""
