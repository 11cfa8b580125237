// Where the files are that are no code: the one place that knows. A bundle (scripts/bundle.mjs) has them too.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder with package.json, bin/ and native/: a checkout, or lib/mcroute of an installation. */
export const TREE = findTree(import.meta.dirname);

/** The path of a file of the tree. */
export function treeFile(path: string): string {
  return join(TREE, path);
}

/** The version of package.json. */
export function readVersion(): string {
  const text = readFileSync(treeFile('package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Modules of dist/ and bundles are at different depths, and the compiler makes no package.json between. */
function findTree(folder: string): string {
  for (let tree = folder; tree !== dirname(tree); tree = dirname(tree)) {
    if (existsSync(join(tree, 'package.json'))) return tree;
  }
  throw new Error(`no package.json above ${folder}`);
}
