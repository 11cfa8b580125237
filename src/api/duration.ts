// google.protobuf.Duration and Timestamp as numbers.
import type { Duration, Duration__Output } from './generated/google/protobuf/Duration.js';
import type { Timestamp, Timestamp__Output } from './generated/google/protobuf/Timestamp.js';

/** A duration of so many ms. */
export function durationOfMs(ms: number): Duration {
  const seconds = Math.trunc(ms / 1_000);
  return { seconds: String(seconds), nanos: Math.round((ms - seconds * 1_000) * 1e6) };
}

/** The ms of a duration; parts of one are kept. */
export function msOfDuration({ seconds, nanos }: Duration__Output): number {
  return Number(seconds) * 1_000 + nanos / 1e6;
}

/** The moment so many ms after 1970. */
export function timestampOfMs(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1_000);
  return { seconds: String(seconds), nanos: Math.round((ms - seconds * 1_000) * 1e6) };
}

/** ms after 1970. */
export function msOfTimestamp({ seconds, nanos }: Timestamp__Output): number {
  return Number(seconds) * 1_000 + nanos / 1e6;
}
