"""A worker does not outlive the process that watches over it, and would hold its port for ever."""

import logging
import multiprocessing
import os
import signal
import threading
from multiprocessing.process import BaseProcess

logger = logging.getLogger(__name__)


def is_worker() -> bool:
    """Tell whether another process has started this one as one of several."""
    return multiprocessing.parent_process() is not None


def is_orphan() -> bool:
    """Tell whether the process that started this one as a worker is gone."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()


def end_with_parent() -> None:
    """Have this process stop, as at SIGTERM, when the one that started it as a worker is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), name="supervision", daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    logger.error("The process that started this worker is gone: the worker stops.")
    os.kill(os.getpid(), signal.SIGTERM)
