// The directory of the sockets: ours, of root, and those of the agents, of their user.
import { type Dirent, chmodSync, chownSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import type { Logger } from '../runtime/log.js';
import { primaryGroupId } from './user-database.js';

/** The lock of the one supervisor that works in the directory. */
export const LOCK_NAME = 'supervisor.lock';

/** Sticky: an agent may make its socket, and nobody but root and itself may take it away or put another in its place. */
const MODE = 0o1775;

/** Users whose group agents have, the first that there is: as mcroute-launch chooses. */
const AGENT_USERS = ['mcroute', 'nobody'] as const;

/**
 * Makes the directory if it is missing. One of root that holds nothing but sockets is opened to the group of the agents;
 * another is someone's who knows why it is as it is.
 *
 * @returns the group; undefined if the directory was not opened to it.
 */
export function prepareRuntimeDirectory(path: string, log: Logger): number | undefined {
  mkdirSync(path, { recursive: true, mode: 0o755 });
  const status = lstatSync(path);
  if (process.geteuid?.() !== 0 || status.uid !== 0 || !status.isDirectory()) return undefined;
  if (!readdirSync(path, { withFileTypes: true }).every(isOurs)) return undefined;
  const group = agentGroup();
  if (group === undefined) {
    log.warn({ path }, 'there is neither a user mcroute nor nobody: agents may be unable to make their sockets');
    return undefined;
  }
  try {
    chownSync(path, 0, group);
    // After it, as chown(2) may clear bits; and the umask does not decide who reaches the sockets.
    chmodSync(path, MODE);
    return group;
  } catch (error) {
    // The group is not mapped into our user namespace (user_namespaces(7)); agents are root there too.
    if (error instanceof Error && 'code' in error && error.code === 'EINVAL') return undefined;
    log.warn({ path, err: error }, 'the directory of the sockets could not be opened to the agents');
    return undefined;
  }
}

function isOurs(entry: Dirent): boolean {
  return entry.isSocket() || entry.name === LOCK_NAME;
}

function agentGroup(): number | undefined {
  for (const user of AGENT_USERS) {
    const group = primaryGroupId(user);
    if (group !== undefined) return group;
  }
  return undefined;
}
