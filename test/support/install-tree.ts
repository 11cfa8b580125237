import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The folder with bin/, dist/, native/, proto/ and test/: the checkout, or the copy of it from which scripts/run.mjs
 * runs the tests when an unprivileged user (65534) could not read the checkout. So programs that drop their
 * privileges can always be started from here.
 */
export function installTree(): string {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && isOurs(file)) return dirname(realpathSync(file));
  }
  throw new Error(`no package.json of mcroute above ${import.meta.dirname}`);
}

function isOurs(file: string): boolean {
  const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
  return typeof content === 'object' && content !== null && 'name' in content && content.name === 'mcroute';
}
