"""Chromium's fake microphone, and how another participant tells its beeps from silence and noise."""

import asyncio
import math
from collections.abc import Sequence
from contextlib import aclosing
from itertools import pairwise

from livekit import rtc

from tests.e2e.browser import DEADLINE_SECONDS
from tests.e2e.participants import Participant, soon

SECONDS_BETWEEN_BEEPS = 0.5

_SAMPLE_RATE = 48_000
_FULL_SCALE = 32767
_LOUD, _QUIET = 0.1, 0.02
"""Root mean squares of 10 ms, where 1 is that of the loudest square wave; a beep reaches 0.4."""
_PAUSE_SECONDS = 0.1


async def heard_by(listener: Participant) -> tuple[rtc.RemoteTrackPublication, list[float]]:
    """Wait for what is published for a listener, and listen for three intervals between its beeps."""
    received = await soon(listener.tracks)
    assert received.track is not None
    async with asyncio.timeout(DEADLINE_SECONDS):
        return received, await intervals_heard_in(received.track, 3)


async def intervals_heard_in(track: rtc.Track, count: int) -> list[float]:
    """Listen until there were enough beeps with silence between them; a deadline is the caller's.

    Returns:
        The seconds from the start of each beep to the start of the next, in samples that were played.
        The first beep does not count: a listener who has just arrived gets parts of it.
    """
    starts: list[float] = []
    seconds = quiet_seconds = 0.0
    async with aclosing(rtc.AudioStream.from_track(track=track, sample_rate=_SAMPLE_RATE)) as stream:
        async for event in stream:
            loudness, length = _loudness(event.frame.data), event.frame.duration
            if loudness > _LOUD:
                if quiet_seconds >= _PAUSE_SECONDS:
                    starts.append(seconds)
                quiet_seconds = 0
            elif loudness < _QUIET:
                quiet_seconds += length
            seconds += length
            if len(starts) > count + 1:
                return [later - earlier for earlier, later in pairwise(starts[1:])]
    raise AssertionError("the track ended before enough was heard")


def _loudness(samples: Sequence[int]) -> float:
    return math.sqrt(sum(s * s for s in samples) / len(samples)) / _FULL_SCALE
