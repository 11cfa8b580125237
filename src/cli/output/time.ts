// Moments and spans as people read them. Pure.
import { msOfTimestamp } from '../../api/duration.js';
import type { Timestamp__Output } from '../../api/generated/google/protobuf/Timestamp.js';

/** ISO 8601, in UTC; empty where there is none, or none that a Date can hold. */
export function timeText(time: Timestamp__Output | null): string {
  const date = new Date(time === null ? NaN : msOfTimestamp(time));
  return Number.isNaN(date.getTime()) ? '' : date.toISOString();
}

/** Such as `3d4h`. */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600), Math.floor(seconds / 60)];
  if (days > 0) return `${days}d${hours % 24}h`;
  if (hours > 0) return `${hours}h${minutes % 60}m`;
  return minutes > 0 ? `${minutes}m${seconds % 60}s` : `${seconds}s`;
}
