// A folder of resource files as one.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CliError } from '../errors.js';
import type { ResourceFile } from './resource-file.js';

/** Files of one folder. */
const FILES_MAX = 10_000;

/** The file itself, or those of the folder that have resources, in the order of their bytes. */
export async function resourceFilesAt(path: string): Promise<readonly string[]> {
  if (path === '-' || !(await isFolder(path))) return [path];
  let names: string[];
  try {
    names = await readdir(path);
  } catch (error) {
    throw new CliError('NO_FILE', `${path}: ${error instanceof Error ? error.message : String(error)}`, [], error);
  }
  // Those that begin with a dot are left behind by editors.
  const found = names.filter((name) => /^[^.].*\.(?:yaml|yml|json)$/.test(name));
  if (found.length === 0) {
    // With --prune it would take everything away.
    throw new CliError('NO_FILE', `${path}: has no file *.yaml, *.yml or *.json`, [
      'a file with `routes: []` says that nothing is wanted',
    ]);
  }
  if (found.length > FILES_MAX) {
    throw new CliError('BAD_FILE', `${path}: has ${found.length} files, and ${FILES_MAX} are the most`, ['join some']);
  }
  return found.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).map((name) => join(path, name));
}

/** All their resources, in the order of the files. */
export function joinResourceFiles(files: readonly ResourceFile[]): ResourceFile {
  const [only] = files;
  if (only !== undefined && files.length === 1) return only;
  return {
    resources: files.flatMap(({ resources }) => resources),
    nameField: (field) => {
      const [, list = '', digits, rest = ''] = /^(changes|resources)\[(\d+)\](.*)$/.exec(field) ?? [];
      if (digits === undefined) return field;
      let index = Number(digits);
      for (const { resources, nameField } of files) {
        if (index < resources.length) return nameField(`${list}[${index}]${rest}`);
        index -= resources.length;
      }
      return field;
    },
  };
}

/** What cannot be looked at is told when it is read. */
async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
