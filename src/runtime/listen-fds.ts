// Descriptors handed over at exec, by the protocol of sd_listen_fds(3).

/** The first descriptor that is handed over (SD_LISTEN_FDS_START). */
const FIRST = 3;

/** A descriptor and the name it was given, such as `mrt4`. */
export interface ListenFd {
  readonly fd: number;
  readonly name: string;
}

/**
 * Takes what LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES say and removes them, so that no child takes them for its own.
 * Nothing if they are meant for another process.
 */
export function takeListenFds(environment: NodeJS.ProcessEnv): ListenFd[] {
  const { LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: names } = environment;
  delete environment['LISTEN_PID'];
  delete environment['LISTEN_FDS'];
  delete environment['LISTEN_FDNAMES'];
  if (pid === undefined || count === undefined || Number(pid) !== process.pid) return [];
  const name = (names ?? '').split(':');
  return Array.from({ length: Number(count) }, (_, i) => ({ fd: FIRST + i, name: name[i] ?? 'unknown' }));
}
