"""The running service, a real LiveKit server and real participants."""
