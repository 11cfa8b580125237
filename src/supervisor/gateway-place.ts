// Who the gateway runs as, and the folders that are its own.
import { chownSync, lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../runtime/log.js';
import { userId } from './user-database.js';

/** Users that the gateway runs as, the first that there is. Not that of the agents, who have what it is not to have. */
const GATEWAY_USERS = ['mcroute-gw', 'nobody'] as const;

/** Nobody else has a look at who did what, nor at what it was told of its callers. */
const FOLDER_MODE = 0o700;

export interface GatewayUser {
  /** `USER` or `USER:GROUP`; undefined: that of this process. */
  readonly name: string | undefined;
  /** Undefined: that of this process, or there is no such user here. */
  readonly uid: number | undefined;
}

/** The user that was asked for, or the usual one. */
export function findGatewayUser(requested: string | undefined, log: Logger): GatewayUser {
  // Another user is not to be had, which the launcher says.
  if (process.geteuid?.() !== 0) return { name: requested, uid: undefined };
  if (requested !== undefined) {
    const [user = ''] = requested.split(':');
    return { name: requested, uid: mapped(userId(user)) };
  }
  for (const name of GATEWAY_USERS) {
    const uid = userId(name);
    if (uid === undefined) continue;
    if (name !== GATEWAY_USERS[0]) log.warn({ user: name }, 'there is no user mcroute-gw: the gateway is another');
    return { name, uid: mapped(uid) };
  }
  log.error('there is neither a user mcroute-gw nor nobody for the gateway');
  return { name: GATEWAY_USERS[0], uid: undefined };
}

/**
 * Makes a folder named `gateway` that is the user's alone. The one above it stays ours, so that nothing beside it can be
 * replaced. A failure is a line in the log: the gateway says itself what it cannot do.
 *
 * @returns its path.
 */
export function prepareGatewayFolder(parent: string, uid: number | undefined, log: Logger): string {
  const path = join(parent, 'gateway');
  try {
    mkdirSync(parent, { recursive: true, mode: 0o755 });
    // Exclusive: what is there is looked at first.
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) mkdirSync(path, { mode: FOLDER_MODE });
    else if (!found.isDirectory()) throw new Error('it is not a folder: remove it');
    if (uid !== undefined && found?.uid !== uid) chownSync(path, uid, 0);
  } catch (error) {
    log.warn({ path, err: error }, 'a folder of the gateway could not be prepared');
  }
  return path;
}

/** The id, if our user namespace has it (user_namespaces(7)): where it does not, the gateway stays root, as agents do. */
function mapped(uid: number | undefined): number | undefined {
  const ranges = readFileSync('/proc/self/uid_map', 'latin1').trim().split('\n');
  const isInside = ranges.some((range) => {
    const [first = 0, , count = 0] = range.trim().split(/\s+/).map(Number);
    return uid !== undefined && uid >= first && uid - first < count;
  });
  return isInside ? uid : undefined;
}
