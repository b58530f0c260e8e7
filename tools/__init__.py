"""What `make` runs beside the service and its tests."""
