// What systemd-nspawn leaves behind: empty groups of processes, in each hierarchy of control groups that it has used.
import { readFileSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

/** Those that nspawn makes below the group that it is started in (`create_subcgroup` of systemd). */
const NAMES = ['payload', 'supervisor'];

/** Removes the groups if they are empty; there is no machine when this is called. */
export function removeCgroups(): void {
  for (const folder of ownGroups()) for (const name of NAMES) removeTree(join(folder, name));
}

/** The folders of our own group: of the unified hierarchy and of systemd's. */
function ownGroups(): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'latin1').split('\n');
  return readFileSync('/proc/self/cgroup', 'latin1')
    .split('\n')
    .flatMap((line) => {
      const [, controllers, group] = /^\d+:(|name=systemd):(.*)$/.exec(line) ?? [];
      if (controllers === undefined || group === undefined) return [];
      const isMount = controllers === '' ? / - cgroup2 / : / - cgroup .*name=systemd/;
      const mountPoint = mounts.find((mount) => isMount.test(mount))?.split(' ')[4];
      return mountPoint === undefined ? [] : [join(mountPoint, group)];
    });
}

/** From the leaves up; one that has processes stays, and so do those above it. */
function removeTree(folder: string): void {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) removeTree(join(folder, entry.name));
    }
    rmdirSync(folder);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EBUSY')))
      throw error;
  }
}
