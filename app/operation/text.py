"""Text that callers made up, made fit for a log line, a terminal and an answer."""


def printable(text: str, limit: int) -> str:
    """Cut a text after `limit` characters, and replace what is not printable."""
    # Cut before looking at each character: the text may be as long as a body.
    cut = text if len(text) <= limit else text[:limit] + "…"
    return cut if cut.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in cut)
