// The shell scripts of bin/.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectFile, run } from '../support/launcher.js';

describe('bin/', () => {
  for (const name of ['mcroute-agent', 'mcroute-supervisor', 'mcroute-gateway', 'mcctl', 'smcrouted', 'smcroutectl']) {
    it(`${name} finds its folder through a link, and names the cure when nothing is built there`, () => {
      const directory = realpathSync(mkdtempSync(join(tmpdir(), 'bin-')));
      try {
        cpSync(projectFile(`bin/${name}`), join(directory, 'tree/bin', name));
        symlinkSync(`tree/bin/${name}`, join(directory, name));
        const finished = run([join(directory, name), '--help']);
        assert.equal(finished.status, 69);
        assert.ok(finished.stderr.startsWith(`${name}: ${directory}/tree/`), finished.stderr);
        assert.ok(
          finished.stderr.endsWith(` is missing: run \`npm run build\` in ${directory}/tree\n`),
          finished.stderr,
        );
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
  }
});
