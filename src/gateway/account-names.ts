// Users and groups of this host by name.
import { readFileSync } from 'node:fs';
import type { NameResolver } from './identity-pattern.js';

/**
 * Reads the names as they are now in passwd(5) and group(5). Those that only a directory service knows are not there:
 * asking it would need programs and modules of others in this process.
 */
export function readAccountNames(passwd = '/etc/passwd', group = '/etc/group'): NameResolver {
  const [users, groups] = [idsByName(passwd), idsByName(group)];
  return { uidOf: (name) => users.get(name), gidOf: (name) => groups.get(name) };
}

/** Both files have the name first and the number third; of a name that is there twice the first counts, as for getpwnam(3). */
function idsByName(file: string): ReadonlyMap<string, number> {
  const ids = new Map<string, number>();
  for (const line of readText(file).split('\n')) {
    const [name = '', , id = ''] = line.split(':');
    if (name !== '' && /^\d+$/.test(id) && !ids.has(name)) ids.set(name, Number(id));
  }
  return ids;
}

/** Without the file there are no names: a container may have none. */
function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
