// Descriptors that the addon makes: files in memory, and locks.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { native, Program } from './native-support.js';

const folder = mkdtempSync(join(tmpdir(), 'mcroute-descriptors-'));
after(() => {
  rmSync(folder, { recursive: true });
});

describe('a file in memory', () => {
  it('has a name to be known by, and nothing in it', () => {
    const fd = native.createMemoryFile('vifs');
    assert.match(
      readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'),
      /^flags:\s*02\d*2$/m,
      'close-on-exec, read and write',
    );
    assert.equal(readFileSync(fd, 'utf8'), '');
    writeSync(fd, '0 eth0\n', 0);
    assert.equal(readFileSync(`/proc/self/fd/${fd}`, 'utf8'), '0 eth0\n');
    native.closeDescriptor(fd);
    assert.throws(
      () => {
        native.closeDescriptor(fd);
      },
      { code: 'EBADF', syscall: 'close' },
    );
  });

  it('needs a name that the kernel takes', () => {
    assert.throws(() => native.createMemoryFile('x'.repeat(250)), { code: 'EINVAL', syscall: 'memfd_create' });
    assert.throws(() => native.createMemoryFile(undefined as never), TypeError);
  });
});

describe('a lock', () => {
  it('is for one process at a time, and ends with it', async () => {
    const path = join(folder, 'lock');
    using holder = new Program(`native.lockFile(${JSON.stringify(path)}); say('locked'); setInterval(() => {}, 1000);`);
    assert.equal(await holder.line(), 'locked');
    assert.equal(native.lockFile(path), undefined);
    holder.child.kill('SIGKILL');
    await holder.exit;
    const fd = native.lockFile(path) ?? assert.fail('the lock is free');
    assert.equal(native.lockFile(path), undefined, 'nor is it for the same process twice');
    native.closeDescriptor(fd);
    native.closeDescriptor(native.lockFile(path) ?? assert.fail('the lock is free again'));
  });

  it('is a file of its owner alone, whose content is left', () => {
    const path = join(folder, 'own');
    const umask = process.umask(0);
    const fd = native.lockFile(path) ?? assert.fail('the lock is free');
    process.umask(umask);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.match(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'), /^flags:\s*02\d*$/m, 'close-on-exec');
    native.closeDescriptor(fd);
    writeFileSync(path, 'kept');
    native.closeDescriptor(native.lockFile(path) ?? assert.fail('the lock is free'));
    assert.equal(readFileSync(path, 'utf8'), 'kept');
  });

  it('is not taken through a symbolic link', () => {
    const link = join(folder, 'link');
    symlinkSync(join(folder, 'target'), link);
    assert.throws(() => native.lockFile(link), { code: 'ELOOP', syscall: 'open' });
    assert.throws(() => statSync(join(folder, 'target')), { code: 'ENOENT' });
    assert.throws(() => native.lockFile(join(folder, 'missing/lock')), { code: 'ENOENT' });
    assert.throws(() => native.lockFile('a\0b'), RangeError);
  });
});
