"""How many requests a process is answering."""


class Load:
    """The requests that have arrived, and are not answered yet.

    Attributes:
        at_work: how many there are.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.at_work = self._peak = 0

    def begin(self) -> int:
        """Count one more; tell how many there are with it."""
        self.at_work += 1
        self._peak = max(self._peak, self.at_work)
        return self.at_work

    def end(self) -> None:
        """Count one less."""
        self.at_work -= 1

    def take_peak(self) -> int:
        """Tell how many there were at most since this was last asked."""
        peak, self._peak = self._peak, self.at_work
        return peak
