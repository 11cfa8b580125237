// Where programs run from in the tests: some of them run as an unprivileged user, who must be able to read it.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from './prepare.mjs';

/**
 * The checkout if user 65534 can read it or nobody but us will have to; else a copy that goes with this process.
 * A checkout is out of reach below a home directory of mode 0700, for example.
 */
export function readableTree() {
  if (process.getuid() !== 0 || canRead(ROOT)) return ROOT;
  const tree = mkdtempSync(join(tmpdir(), 'mcroute-'));
  process.on('exit', () => rmSync(tree, { recursive: true, force: true }));
  for (const part of PARTS.filter((part) => existsSync(join(ROOT, part)))) {
    mkdirSync(dirname(join(tree, part)), { recursive: true });
    // With their times, by which start.cjs knows that a bundle is not older than what it was made of.
    call('cp', ['-R', '--preserve=timestamps', '--reflink=auto', join(ROOT, part), join(tree, part)]);
  }
  call('chmod', ['-R', 'u=rwX,go=rX', tree]);
  chmodSync(tree, 0o755);
  if (!canRead(tree)) throw new Error(`user 65534 can read neither ${ROOT} nor ${tree}: set TMPDIR to a public folder`);
  return tree;
}

const PARTS = [
  'bench',
  'bin',
  'dist',
  'man',
  'native/build/Release/kernel.node',
  'native/build/Release/mcroute-launch',
  'native/build-asan/Release/kernel.node',
  'node_modules',
  'package.json',
  'proto',
  'scripts',
  'systemd',
  'test',
];

/** Asks as the user: the way there and every file. */
function canRead(tree) {
  const paths = PARTS.map((part) => join(tree, part)).filter((path) => existsSync(path));
  const test = ['!', '-readable', '-o', '-type', 'd', '!', '-executable'];
  const find = spawnSync(
    'setpriv',
    [
      '--reuid',
      '65534',
      '--regid',
      '65534',
      '--clear-groups',
      'find',
      '-L',
      ...paths,
      '(',
      ...test,
      ')',
      '-print',
      '-quit',
    ],
    { encoding: 'utf8' },
  );
  return find.status === 0 && find.stdout === '';
}

function call(program, args) {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`);
}
