"""A comparison of the service with peers; see RESULTS.md."""
