// A line that shows that something goes on, for what takes over a second.
import type { Terminal } from './terminal.js';

/** Time after which the line is shown, and between its changes, in ms. */
const TICK_MS = 1_000;

/** Waits for the work and shows the text with the seconds meanwhile, where a person sees it. */
export async function withProgress<Result>(terminal: Terminal, text: string, work: Promise<Result>): Promise<Result> {
  const startMs = performance.now();
  const timer = setInterval(() => {
    terminal.showProgress(`${text} ... ${Math.round((performance.now() - startMs) / 1_000)} s`);
  }, TICK_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    terminal.showProgress(undefined);
  }
}
