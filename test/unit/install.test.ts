import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { installTree } from '../support/install-tree.js';

describe('scripts/install.sh', () => {
  let destination: string;
  const install = () => {
    const env = { ...process.env, DESTDIR: destination };
    execFileSync('sh', [join(installTree(), 'scripts/install.sh'), '/opt/mcroute'], { env, stdio: 'pipe' });
  };
  const path = (file: string) => join(destination, 'opt/mcroute', file);

  before(() => {
    destination = mkdtempSync(join(tmpdir(), 'mcroute-install-'));
    // A second time, as an upgrade does.
    install();
    install();
  });
  after(() => {
    rmSync(destination, { recursive: true, force: true });
  });

  it('links every program and leaves nothing but the tree', () => {
    const programs = readdirSync(join(installTree(), 'bin'));
    assert.ok(programs.includes('mcroute-agent') && programs.includes('mcctl'));
    assert.deepEqual(readdirSync(path('bin')).sort(), programs.sort());
    assert.deepEqual(readdirSync(path('lib')).sort(), ['mcroute', 'systemd', 'sysusers.d', 'tmpfiles.d']);
    for (const program of programs) {
      assert.equal(realpathSync(path(`bin/${program}`)), realpathSync(path(`lib/mcroute/bin/${program}`)));
    }
  });

  it('lets everyone read what root has installed', () => {
    for (const file of readdirSync(path('lib/mcroute'), { recursive: true, encoding: 'utf8' })) {
      const stats = statSync(path(`lib/mcroute/${file}`));
      const wanted = stats.isDirectory() ? 0o755 : 0o444;
      assert.equal(stats.mode & wanted, wanted, file);
    }
    const launcher = statSync(path('lib/mcroute/native/build/Release/mcroute-launch'));
    assert.equal(launcher.mode & 0o777, 0o755);
  });

  it('brings units that start what it has installed', () => {
    const units = readdirSync(path('lib/systemd/system'));
    assert.deepEqual(units.sort(), ['mcroute-agent@.service', 'mcroute.service']);
    for (const unit of units) {
      const text = readFileSync(path(`lib/systemd/system/${unit}`), 'utf8');
      const [, program = ''] = /^ExecStart=(\/opt\S+)/m.exec(text) ?? [];
      assert.ok(statSync(join(destination, program)).mode & 0o001, program);
      assert.doesNotMatch(text, /@\w+@/);
    }
  });

  it('brings the manual pages, readable for everyone', () => {
    const pages = readdirSync(join(installTree(), 'man'));
    const installed = readdirSync(path('share/man'))
      .flatMap((folder) => readdirSync(path(`share/man/${folder}`)).map((name) => `${folder}/${name}`))
      .sort();
    assert.deepEqual(installed, pages.map((name) => `man${name.at(-1) ?? ''}/${name}`).sort());
    for (const name of installed) assert.equal(statSync(path(`share/man/${name}`)).mode & 0o777, 0o644, name);
  });

  it('refuses a prefix that units could not name', () => {
    const { status } = spawnSync('sh', [join(installTree(), 'scripts/install.sh'), 'opt/mcroute']);
    assert.equal(status, 64);
  });

  it('brings programs that need nothing but Node, each with its compiled code', () => {
    assert.ok(!existsSync(path('lib/mcroute/node_modules')));
    for (const program of readdirSync(path('bin'))) {
      const look = [path('lib/mcroute/dist/src/start/start.cjs'), 'look', program];
      assert.equal(execFileSync('node', look, { encoding: 'utf8' }), 'bundle with its code\n', program);
    }
    for (const program of ['mcctl', 'mcroute-supervisor']) {
      const { status, stdout, stderr } = spawnSync(path(`bin/${program}`), ['--help'], { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      assert.match(stdout, /^Usage: /);
    }
  });
});
