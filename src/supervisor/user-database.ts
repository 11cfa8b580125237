// Asks the host's user database, as mcroute-launch will.
import { execFileSync } from 'node:child_process';

/** Time for asking, in ms: the database may be a remote one. */
const ID_LIMIT_MS = 10_000;

/** The id of a user. Undefined if there is no such user. */
export function userId(user: string): number | undefined {
  // A number needs no entry.
  return idOf('-u', user) ?? (/^\d{1,10}$/.test(user) ? Number(user) : undefined);
}

/** The id of a user's primary group. Undefined if there is no such user. */
export function primaryGroupId(user: string): number | undefined {
  return idOf('-g', user);
}

function idOf(option: '-u' | '-g', user: string): number | undefined {
  try {
    const text = execFileSync('id', [option, '--', user], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: ID_LIMIT_MS,
    });
    return Number(text);
  } catch {
    return undefined;
  }
}
