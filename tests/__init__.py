"""The tests, by cost: unit, contract (a live server on loopback), e2e (a real LiveKit server)."""
