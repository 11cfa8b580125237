import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CliError } from '../../src/cli/errors.js';
import { plainRoute } from '../../src/cli/file/plain-route.js';
import { parseResourceFile } from '../../src/cli/file/resource-file.js';

/** What a file with this route alone is read as; a text if it is refused. */
function read(route: object): unknown {
  try {
    return parseResourceFile(JSON.stringify({ routes: [route] }), 'net.json').resources[0];
  } catch (error) {
    if (error instanceof CliError) return error.message;
    throw error;
  }
}

const texts = fc.constantFrom('', 'eth0', '239.1.1.1');
const odd = fc.constantFrom<unknown>(null, 5, true, [], {}, ['eth1'], [5], [{ interface: 'eth1' }], 'eth1');
const mostly = <Value>(plain: fc.Arbitrary<Value>) => fc.oneof({ weight: 8, arbitrary: plain }, odd);
const routes = fc.record(
  {
    iif: mostly(texts),
    source: mostly(texts),
    group: mostly(texts),
    oifs: mostly(fc.array(texts)),
    label: mostly(texts),
    except: fc.constantFrom<unknown>([], ['10.0.0.1'], 5),
    lable: texts,
  },
  { requiredKeys: ['iif', 'group', 'oifs'] },
);

describe('a plain route', () => {
  it('is read as it is with more care', () => {
    let plain = 0;
    fc.assert(
      fc.property(routes, (route) => {
        const resource = plainRoute(route);
        if (resource === undefined) return;
        plain++;
        // With its default it is not plain any more, and the same.
        const careful = { ...route, deny: false };
        assert.equal(plainRoute(careful), undefined);
        assert.deepEqual(resource, read(careful));
      }),
      { numRuns: 3_000 },
    );
    assert.ok(plain > 20, `only ${plain} routes were plain`);
  });

  it('has its interfaces, its group and no field that is not known', () => {
    const plain = { iif: 'eth0', group: '239.1.1.1', oifs: ['eth1'] };
    assert.notEqual(plainRoute(plain), undefined);
    for (const key of Object.keys(plain)) assert.equal(plainRoute({ ...plain, [key]: undefined }), undefined, key);
    assert.equal(plainRoute({ ...plain, lable: 'x' }), undefined);
    for (const value of [undefined, null, 5, 'eth0', [plain]]) assert.equal(plainRoute(value), undefined);
  });
});
