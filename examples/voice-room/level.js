// How loud a microphone is.
import { createAudioAnalyser } from './vendor/livekit-client.esm.mjs';

const QUIETEST_DECIBELS = -60;
const DECAY = 0.95;

/** Call `show` with the track's level, 0 to 1, before every frame that is painted; returns how to stop it. */
export function watch(track, show) {
  const { analyser, cleanup } = createAudioAnalyser(track, { fftSize: 1024 });
  const samples = new Float32Array(analyser.fftSize);
  let level = 0;
  let frame;
  const draw = () => {
    analyser.getFloatTimeDomainData(samples);
    level = Math.max(loudness(samples), level * DECAY);
    show(level);
    frame = requestAnimationFrame(draw);
  };
  draw();
  return () => {
    cancelAnimationFrame(frame);
    show(0);
    return cleanup();
  };
}

function loudness(samples) {
  const power = samples.reduce((sum, sample) => sum + sample ** 2, 0) / samples.length;
  return Math.min(1, Math.max(0, 1 - (10 * Math.log10(power)) / QUIETEST_DECIBELS));
}
