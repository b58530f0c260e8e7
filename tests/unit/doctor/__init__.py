"""What the doctor finds, one check at a time."""
