// What takes long is done seldom, so that it never takes the most of the time.

/** How many times as long as an action took it rests: about a twentieth of the time is for it at most. */
const REST = 20;

/**
 * An action to be called again and again, which is left out while it would take too much of the time. A timer whose action
 * takes longer than its interval would run in each iteration of the event loop.
 *
 * @param now gives milliseconds.
 */
export function paced(action: () => void, now: () => number): () => void {
  let notBefore = -Infinity;
  return () => {
    const start = now();
    if (start < notBefore) return;
    action();
    const end = now();
    notBefore = end + REST * (end - start);
  };
}
