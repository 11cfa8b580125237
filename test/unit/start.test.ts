// src/start: what runs when a program is started, whatever is missing or wrong.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Finished, projectFile, run } from '../support/launcher.js';

const PROGRAM = 'mcctl';

describe('a program starts', () => {
  let tree: string;
  const path = (file: string) => join(tree, file);
  const programFile = (ending: RegExp, program = PROGRAM) => {
    const name = readdirSync(path('dist/programs')).find((file) => file.startsWith(program) && ending.test(file));
    return path(`dist/programs/${name ?? assert.fail(`there is no ${String(ending)}`)}`);
  };
  const node = (flags: readonly string[], words: readonly string[]): Finished =>
    run([process.execPath, ...flags, path('dist/src/start/start.cjs'), ...words]);
  const whatRuns = (flags: readonly string[] = [], program = PROGRAM) => node(flags, ['look', program]).stdout.trim();
  const assertRuns = () => {
    const { status, stdout, stderr } = run([path(`bin/${PROGRAM}`), '--version']);
    assert.deepEqual([status, stdout, stderr], [0, 'mcctl 9.8.7\n', '']);
  };

  beforeEach(() => {
    tree = mkdtempSync(join(tmpdir(), 'start-'));
    for (const part of ['bin', 'dist/programs', 'dist/src/start']) {
      cpSync(projectFile(part), path(part), { recursive: true });
    }
    writeFileSync(path('package.json'), '{ "version": "9.8.7" }');
  });
  afterEach(() => {
    rmSync(tree, { recursive: true });
  });

  it('by its bundle, with the code that was compiled of it', () => {
    assert.equal(whatRuns(), 'bundle with its code');
    assertRuns();
  });

  it('by its bundle with its code, whichever program it is', () => {
    const programs = readdirSync(path('dist/programs')).flatMap((file) => /^(.*)\.cjs$/.exec(file)?.[1] ?? []);
    assert.equal(programs.length, 6);
    for (const program of programs) assert.equal(whatRuns([], program), 'bundle with its code', program);
  });

  it('without compiled code', () => {
    rmSync(programFile(/\.cache$/));
    assert.equal(whatRuns(), 'bundle');
    assertRuns();
  });

  it('without the code of another bundle', () => {
    cpSync(programFile(/\.cache$/, 'smcroutectl'), programFile(/\.cache$/));
    assert.equal(whatRuns(), 'bundle');
    assertRuns();
  });

  it('without the code of a bundle that was changed since', () => {
    const bundle = programFile(/\.cjs$/);
    writeFileSync(bundle, readFileSync(bundle, 'latin1').replace('show the version', 'SHOW THE VERSION'));
    assert.equal(whatRuns(), 'bundle');
    assertRuns();
  });

  it('without the code that was compiled for other flags', () => {
    assert.equal(whatRuns(['--no-flush-bytecode']), 'bundle, V8 refuses its code');
  });

  it('without damaged code', () => {
    const cache = programFile(/\.cache$/);
    const whole = readFileSync(cache);
    // V8 itself does not look at what is behind its header, and crashes or runs what it was not told.
    for (const at of [0, 5, 8, 40, 5_000, whole.length - 1]) {
      const damaged = Buffer.from(whole);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 0x10, at);
      writeFileSync(cache, damaged);
      assert.equal(whatRuns(), 'bundle', String(at));
    }
    assertRuns();
  });

  it('without code that was cut off', () => {
    const cache = programFile(/\.cache$/);
    for (const length of [100_000, 8, 7, 0]) {
      truncateSync(cache, length);
      assert.equal(whatRuns(), 'bundle', String(length));
    }
    assertRuns();
  });

  it('by its modules where there is no bundle', () => {
    rmSync(path('dist/programs'), { recursive: true });
    mkdirSync(path('dist/src'), { recursive: true });
    symlinkSync(projectFile('dist/src/cli'), path('dist/src/cli'));
    assert.equal(whatRuns(), 'modules');
    const { status, stdout } = run([path(`bin/${PROGRAM}`), '--version']);
    assert.equal(status, 0);
    assert.match(stdout, /^mcctl \d/);
  });

  it('by its modules where tsc has written them since', () => {
    writeFileSync(path('dist/.tsbuildinfo'), '');
    const { mtimeMs } = statSync(programFile(/\.cjs$/));
    utimesSync(path('dist/.tsbuildinfo'), 0, mtimeMs / 1_000 + 1);
    assert.equal(whatRuns(), 'modules');
    utimesSync(path('dist/.tsbuildinfo'), 0, mtimeMs / 1_000 - 1);
    assert.equal(whatRuns(), 'bundle with its code');
  });

  it('and its code can be kept again', () => {
    const cache = programFile(/\.cache$/);
    rmSync(cache);
    const { status, stdout } = node([], ['learn', cache, PROGRAM, '--version']);
    assert.deepEqual([status, stdout], [0, 'mcctl 9.8.7\n']);
    assert.equal(whatRuns(), 'bundle with its code');
    const size = statSync(cache).size;
    node([], ['learn', cache, PROGRAM, 'show', '--help']);
    assert.ok(statSync(cache).size > size, 'another run adds to it');
    assert.deepEqual(
      readdirSync(path('dist/programs')).filter(
        (name) => name.startsWith(`${PROGRAM}.`) && !/\.(cjs|map|cache)$/.test(name),
      ),
      [],
    );
  });

  it('and tells of an error where in src/ it was', () => {
    writeFileSync(path('package.json'), 'not JSON');
    const { status, stderr } = run([path(`bin/${PROGRAM}`), '--version']);
    assert.equal(status, 1);
    assert.match(stderr, /^SyntaxError: .*not JSON/m);
    const [, line = ''] = /^ +at readVersion \(\S*\/src\/runtime\/tree\.ts:(\d+):\d+\)$/m.exec(stderr) ?? [];
    const source = readFileSync(projectFile('src/runtime/tree.ts'), 'utf8').split('\n');
    assert.match(source[Number(line) - 1] ?? '', /JSON\.parse/, stderr);
    rmSync(programFile(/\.map$/));
    assert.match(run([path(`bin/${PROGRAM}`), '--version']).stderr, /^ +at readVersion \(mcctl\.cjs:\d+:\d+\)$/m);
  });

  it('and logs where in src/ an error was', () => {
    const words = [
      'mcroute-supervisor',
      '--state-directory',
      path('package.json/none'),
      '--config',
      path('mcroute.yaml'),
    ];
    writeFileSync(path('mcroute.yaml'), 'tables: []\n');
    const start = [process.execPath, path('dist/src/start/start.cjs'), ...words];
    const { stderr } = run(start, { MCROUTE_AGENT: '/none' });
    const [entry = ''] = stderr.split('\n');
    assert.match((JSON.parse(entry) as { err: { stack: string } }).err.stack, /\/src\/supervisor\/main\.ts:\d+:\d+/);
  });

  it('not under a name that is none', () => {
    const { status, stderr } = node([], ['mcrouted']);
    assert.equal(status, 1);
    assert.match(stderr, /mcrouted is no program: mcroute-agent, /);
  });
});
