// The process that keeps the pid file and the socket in /run, where the daemon itself may not write: see
// native/src/launch_keeper.h.
import { writeSync } from 'node:fs';

export interface Keeper {
  /** Makes the pid file, or touches it. */
  tell(): void;
}

/** @param fd where the keeper listens; undefined: there is none. */
export function openKeeper(fd: number | undefined): Keeper {
  return {
    tell: () => {
      if (fd === undefined) return;
      try {
        // One byte into an empty pipe does not wait.
        writeSync(fd, 'r');
      } catch {
        // Somebody has killed the keeper: the daemon runs on without its files being kept.
      }
    },
  };
}
