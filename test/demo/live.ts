// The streams as they run, several times a second where a frame can be shown, else a line a second.
import { setTimeout as sleep } from 'node:timers/promises';
import type { StreamCount } from './counts.js';
import { PACKETS, RATE } from './scenario.js';
import type { Screen } from './screen.js';
import type { Streams } from './streams.js';
import { renderLegend, renderProgress, renderTable, renderTitle } from './view.js';

/** Shows the streams until the promise settles. `startedMs` is when they began, as `performance.now()` has it. */
export async function showUntil(
  over: Promise<unknown>,
  streams: Streams,
  screen: Screen,
  startedMs: number,
): Promise<void> {
  const stop = new AbortController();
  const end = over.finally(() => {
    stop.abort();
  });
  try {
    await Promise.all([end, show(streams, screen, startedMs, stop.signal)]);
  } finally {
    screen.frame([]);
  }
}

async function show(streams: Streams, screen: Screen, startedMs: number, signal: AbortSignal): Promise<void> {
  for (let dueMs = startedMs; !signal.aborted;) {
    const counts = await streams.count();
    const elapsedMs = performance.now() - startedMs;
    const frame = frameOf(counts, elapsedMs, screen);
    const isFrame = screen.canShowFrame(frame.length);
    // Where it does not fit any more it goes.
    screen.frame(isFrame ? frame : []);
    if (!isFrame) screen.line(renderProgress(counts, elapsedMs));
    dueMs = Math.max(dueMs + (isFrame ? FRAME_INTERVAL_MS : LINE_INTERVAL_MS), performance.now());
    // Ends early, by an error that nobody needs, when all is over.
    await sleep(dueMs - performance.now(), undefined, { signal }).catch(() => undefined);
  }
}

function frameOf(counts: readonly StreamCount[], elapsedMs: number, { styles }: Screen): string[] {
  return [
    '',
    renderTitle(elapsedMs, (PACKETS * 1_000) / RATE, styles),
    ...renderTable(counts, styles),
    renderLegend(styles),
  ];
}

const FRAME_INTERVAL_MS = 200;
const LINE_INTERVAL_MS = 1_000;
