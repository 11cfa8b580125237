// What a configuration file wants of the engine when interfaces come and go, and commands have changed its owner's
// resources meanwhile.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfiguration } from '../../src/agent/config/parse.js';
import { toResources } from '../../src/agent/config/resources.js';
import { type FileContent, FileWishes } from '../../src/agent/file-wishes.js';
import { CONFIG_OWNER } from '../../src/model/owner.js';
import { formatResourceKey } from '../../src/model/resource.js';
import { openEngine, settle } from '../support/engine-bench.js';
import { fakeLink } from '../support/fake-kernel.js';

/** An engine with a file, which is followed as an agent does. */
function openFile(...lines: readonly string[]) {
  let text = lines.join('\n');
  const file = new FileWishes('x.conf', () => ({
    resources: (present) => toResources(parseConfiguration(text, 'x.conf').statements, present),
    errors: [],
    isWithoutWrongLines: true,
    warnings: [],
    isMissing: false,
  }));
  const bench = openEngine();
  const { engine } = bench;
  file.load();
  file.reload(engine);
  engine.onNames(() => {
    file.refresh(engine);
  });
  return {
    ...bench,
    file,
    write: (...others: readonly string[]) => {
      text = others.join('\n');
    },
    keys: () =>
      [...engine.resources()]
        .filter(({ owner }) => owner === CONFIG_OWNER)
        .map(({ resource }) => formatResourceKey(resource.key))
        .sort(),
  };
}

const FILE = ['mgroup from eth+ group 239.5.5.5', 'mroute from eth0 group 239.1.0.1 to eth1'];

describe('the wishes of a configuration file', () => {
  it('follow interfaces, and leave alone what commands have changed since', async () => {
    const { kernel, keys, put, remove } = openFile(...FILE);
    const before = keys();
    // One join for each interface.
    assert.equal(before.length, 5);
    remove(CONFIG_OWNER, '(*, 239.1.0.1) eth0 >');
    put(CONFIG_OWNER, '(*, 239.1.0.2) eth0 > eth2');
    const changed = keys();
    kernel.setLink(fakeLink(30, 'eth9'));
    await settle();
    assert.deepEqual(
      keys().filter((key) => !changed.includes(key)),
      ['membership (*, 239.5.5.5) eth9'],
    );
    assert.equal(keys().length, changed.length + 1);
    kernel.removeLink(30);
    await settle();
    assert.deepEqual(keys(), changed);
  });

  it('are those of the file alone after a reload', () => {
    const { engine, file, keys, put, remove, write } = openFile(...FILE);
    const before = keys();
    remove(CONFIG_OWNER, '(*, 239.1.0.1) eth0 >');
    put(CONFIG_OWNER, '(*, 239.1.0.2) eth0 > eth2');
    put('cli', '(*, 239.1.0.3) eth0 > eth2');
    assert.deepEqual(file.reload(engine).effects, { unchanged: 4, added: 1, changed: 0, removed: 1 });
    assert.deepEqual(keys(), before);
    write('mroute from eth0 group 239.1.0.2 to eth1');
    file.reload(engine);
    assert.deepEqual(keys(), ['mroute (*, 239.1.0.2) eth0']);
    assert.ok([...engine.resources()].some(({ owner }) => owner === 'cli'));
  });

  it('follow interfaces as the file says since it was read again', async () => {
    const { engine, file, kernel, keys, write } = openFile(...FILE);
    write('mgroup from eth0 group 239.5.5.5');
    file.reload(engine);
    kernel.setLink(fakeLink(30, 'eth9'));
    await settle();
    assert.deepEqual(keys(), ['membership (*, 239.5.5.5) eth0']);
  });
});

it('what a file says by a wildcard holds for a new interface from the first moment', async () => {
  const { kernel } = openFile('phyint late+ disable', 'mroute from late+ group 239.1.0.9 to eth1');
  kernel.setLink(fakeLink(30, 'late0'));
  await settle();
  const vifs = kernel.applied.filter((operation) => operation.op === 'add-vif' && operation.ifindex === 30);
  assert.deepEqual(vifs, []);
});

describe('a file with errors', () => {
  const content = (isWithoutWrongLines: boolean): FileContent => ({
    resources: (present) => toResources(parseConfiguration(FILE.join('\n'), 'x.conf').statements, present),
    errors: ["x.conf:9:1: error: 'bogus' is not a statement"],
    isWithoutWrongLines,
    warnings: [],
    isMissing: false,
  });

  it('is refused at the start and by a reload', () => {
    const file = new FileWishes('x.conf', () => content(true));
    assert.throws(() => file.load(), /bogus/);
    const { engine } = openEngine();
    assert.throws(() => file.reload(engine), /bogus/);
    assert.deepEqual([...engine.resources()], []);
  });

  it('is taken at the start without its wrong lines, where that is asked for, and refused by a reload all the same', () => {
    const file = new FileWishes('x.conf', () => content(true), { skipsWrongLines: true });
    file.load();
    assert.equal(file.owned(['eth0']).length, 2);
    assert.throws(() => file.reload(openEngine().engine), /bogus/);
  });

  it('is refused where it is not its lines that are wrong', () => {
    const file = new FileWishes('x.conf', () => content(false), { skipsWrongLines: true });
    assert.throws(() => file.load(), /bogus/);
  });
});
