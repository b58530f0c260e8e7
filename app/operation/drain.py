"""The end of a process, step by step: not ready any more, then clients move, then it stops."""


class Drain:
    """Whether this process is about to stop.

    Attributes:
        is_draining: whether clients shall ask another one, and the service is not ready.
        is_leaving: whether every answer closes its connection, so that clients connect anew, to another one.
        patience_seconds: how long a request that is not all there may take, once the process stops.
    """

    def __init__(self) -> None:
        """Begin with a process that stays."""
        self.is_draining = self.is_leaving = False
        self.patience_seconds = 0.0

    def begin(self) -> None:
        """Be not ready, and leave."""
        self.is_draining = self.is_leaving = True

    def retire(self) -> None:
        """Leave: another process takes over what this one listens at, so that the service stays ready."""
        self.is_leaving = True
