"""What the service looks like from the other side: a page that holds a voice session with its tokens."""
