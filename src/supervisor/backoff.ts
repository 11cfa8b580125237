/** The first delay, in ms; it doubles from failure to failure. */
const FIRST_MS = 100;

/** The longest delay, in ms. */
export const BACKOFF_MAX_MS = 30_000;

/**
 * Time to wait before the next start, in ms.
 *
 * @param failures those in a row; after none there is nothing to wait for.
 * @param random from 0 up to 1, so that agents that failed together do not come back together: the delay is between half
 *   of the full one and the full one.
 */
export function backoffMs(failures: number, random: number): number {
  if (failures === 0) return 0;
  // 2^30 is far beyond the longest delay, and still a number that doubles exactly.
  const full = Math.min(BACKOFF_MAX_MS, FIRST_MS * 2 ** Math.min(failures - 1, 30));
  return Math.round(full * (0.5 + random / 2));
}
