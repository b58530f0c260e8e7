"""A tone that one participant publishes, and how another tells it from silence and noise."""

import asyncio
import math
from array import array
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

from livekit import rtc

from tests.e2e.participants import Participant

HERTZ = 440
SAMPLE_RATE = 48_000
LOUDNESS = 0.3
"""The root mean square of the tone, where 1 is that of the loudest square wave."""

_FULL_SCALE = 32767
# A tenth of a second holds whole periods of the tone, so it can be repeated without a click.
_CHUNK = SAMPLE_RATE // 10


@asynccontextmanager
async def published_by(participant: Participant) -> AsyncIterator[rtc.LocalTrackPublication]:
    """Publish the tone as the participant's microphone, and play it until the end."""
    source = rtc.AudioSource(SAMPLE_RATE, num_channels=1)
    track = rtc.LocalAudioTrack.create_audio_track("voice", source)
    publication = await participant.publish(track, rtc.TrackSource.SOURCE_MICROPHONE)
    playing = asyncio.create_task(_play(source))
    try:
        yield publication
    finally:
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing
        await source.aclose()


async def heard_in(track: rtc.Track) -> tuple[float, float]:
    """Listen until the tone has begun, and measure what comes next; a deadline is the caller's.

    Returns:
        The loudness of a tenth of a second, and how much of its energy is at the tone's pitch, 0 to 1.
    """
    samples: array[int] = array("h")
    begun = False
    async with aclosing(rtc.AudioStream.from_track(track=track, sample_rate=SAMPLE_RATE)) as stream:
        async for event in stream:
            samples.extend(event.frame.data)
            while len(samples) >= _CHUNK:
                chunk, samples = samples[:_CHUNK], samples[_CHUNK:]
                if begun:
                    return _loudness(chunk), _purity(chunk)
                # The chunk in which the tone begins is partly silence, and says little about its pitch.
                begun = _loudness(chunk) > LOUDNESS / 2
    raise AssertionError("the track ended before the tone was heard")


async def _play(source: rtc.AudioSource) -> None:
    amplitude = LOUDNESS * math.sqrt(2) * _FULL_SCALE
    wave = array("h", (round(amplitude * math.sin(_angle(i))) for i in range(_CHUNK)))
    frame = rtc.AudioFrame(wave.tobytes(), SAMPLE_RATE, num_channels=1, samples_per_channel=_CHUNK)
    while True:
        # The source takes frames at the pace at which they are played.
        await source.capture_frame(frame)


def _loudness(samples: "array[int]") -> float:
    return math.sqrt(sum(s * s for s in samples) / len(samples)) / _FULL_SCALE


def _purity(samples: "array[int]") -> float:
    """One Fourier coefficient, as a share of the energy."""
    in_phase = sum(s * math.sin(_angle(i)) for i, s in enumerate(samples))
    in_quadrature = sum(s * math.cos(_angle(i)) for i, s in enumerate(samples))
    energy = sum(s * s for s in samples)
    return 2 * (in_phase**2 + in_quadrature**2) / (len(samples) * energy)


def _angle(sample: int) -> float:
    return 2 * math.pi * HERTZ * sample / SAMPLE_RATE
