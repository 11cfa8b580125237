// SIGINT as the end of what goes on until then.

/** Work that SIGINT ends; a command for several hosts has one of each. */
const interruptions = new Set<AbortController>();

/** Runs work that goes on until SIGINT, which sets its signal. */
export async function untilInterrupted<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const interruption = new AbortController();
  if (interruptions.size === 0) process.once('SIGINT', interrupt);
  interruptions.add(interruption);
  try {
    return await work(interruption.signal);
  } finally {
    interruptions.delete(interruption);
    if (interruptions.size === 0) process.off('SIGINT', interrupt);
  }
}

function interrupt(): void {
  for (const interruption of interruptions) interruption.abort();
}
