// Files of resources: what is read, what is refused and where, and that what is written is read again.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Resource__Output } from '../../src/api/generated/mcroute/v1/Resource.js';
import { CliError } from '../../src/cli/errors.js';
import { canonical } from '../../src/cli/file/canonical.js';
import { parseResourceFile } from '../../src/cli/file/resource-file.js';
import { renderResourceFile } from '../../src/cli/output/resource-file.js';

/** All lines of the error that the text is refused with. */
function refusal(text: string): string[] {
  try {
    parseResourceFile(text, 'net.yaml');
  } catch (error) {
    assert.ok(error instanceof CliError, String(error));
    assert.equal(error.code, 'BAD_FILE');
    return [error.message, ...error.details];
  }
  assert.fail('the file was accepted');
}

const route: Resource__Output = {
  mroute: {
    key: { iif: 'eth0', source: '', group: '239.1.1.1' },
    oifs: [{ interface: 'eth1' }, { interface: 'eth2', ttlThreshold: 16, _ttlThreshold: 'ttlThreshold' }],
    except: ['10.0.0.0/8'],
    deny: false,
    label: 'studio 1',
  },
  kind: 'mroute',
};
const join: Resource__Output = {
  membership: { key: { interface: 'eth0', group: '232.1.1.1', source: '10.0.0.5' }, label: '' },
  kind: 'membership',
};
const settings: Resource__Output = {
  interface: {
    key: { name: 'eth2' },
    ttlThreshold: 16,
    enabled: false,
    _enabled: 'enabled',
    querier: true,
    mrdisc: true,
    boundaries: ['239.255.0.0/16', 'ff15::/16'],
  },
  kind: 'interface',
};
const plain: Resource__Output = {
  interface: { key: { name: 'eth3' }, ttlThreshold: 1, querier: false, mrdisc: false, boundaries: [] },
  kind: 'interface',
};

describe('a file', () => {
  it('may have routes, joins and interfaces', () => {
    const text = `
routes:
  - iif: eth0
    group: 239.1.1.1
    oifs: [eth1, { interface: eth2, ttl_threshold: 16 }]
    except: [10.0.0.0/8]
    label: studio 1
joins:
  - { interface: eth0, group: 232.1.1.1, source: 10.0.0.5 }
interfaces:
  - name: eth2
    ttl_threshold: 16
    enabled: false
    querier: true
    mrdisc: true
    boundaries: [239.255.0.0/16, 'ff15::/16']
  - name: eth3
`;
    assert.deepEqual(parseResourceFile(text, 'net.yaml').resources, [settings, plain, route, join]);
  });

  it('may have resources in the words of the API', () => {
    const text = `
resources:
  - mroute:
      key: { iif: eth0, group: 239.1.1.1 }
      oifs: [{ interface: eth1 }, { interface: eth2, ttl_threshold: 16 }]
      except: [10.0.0.0/8]
      label: studio 1
  - membership: { key: { interface: eth0, group: 232.1.1.1, source: 10.0.0.5 } }
  - interface:
      key: { name: eth2 }
      ttl_threshold: 16
      enabled: false
      querier: true
      mrdisc: true
      boundaries: [239.255.0.0/16, 'ff15::/16']
  - interface: { key: { name: eth3 } }
`;
    assert.deepEqual(parseResourceFile(text, 'net.yaml').resources, [route, join, settings, plain]);
  });

  it('may be JSON, indented with tabs too', () => {
    const text = '{\n\t"routes": [\n\t\t{"iif": "eth0", "group": "ff3e::1", "oifs": []}\n\t]\n}';
    assert.equal(parseResourceFile(text, 'x').resources[0]?.mroute?.key?.group, 'ff3e::1');
  });

  it('may hold nothing only if it says so', () => {
    assert.deepEqual(parseResourceFile('routes: []', 'x').resources, []);
    for (const text of ['', '# nothing\n', 'null']) assert.match(refusal(text)[0] ?? '', /the file is empty/);
  });

  it('is refused with the path and the line of each key that is not known', () => {
    const text = `routes:
  - iif: eth0
    group: 239.1.1.1
    oif: [eth1]
    oifs: [{ name: eth1 }]
rutes: []
`;
    assert.deepEqual(refusal(text), [
      "net.yaml:6: rutes: is not known here: did you mean 'routes'?",
      "net.yaml:4: routes[0].oif: is not known here: did you mean 'oifs'?",
      'net.yaml:5: routes[0].oifs[0].name: is not known here: known are interface, ttl_threshold',
      'net.yaml:5: routes[0].oifs[0].interface: is required',
    ]);
  });

  it('is refused with the lines of JSON too', () => {
    const text = '{"routes": [\n  {"iif": "eth0", "group": "239.1.1.1", "oifs": [],\n   "labl": "x"}\n]}';
    assert.deepEqual(refusal(text), ["net.yaml:3: routes[0].labl: is not known here: did you mean 'label'?"]);
  });

  it('is refused where a value has the wrong type', () => {
    const text = `routes:
  - { iif: 5, group: 239.1.1.1, oifs: eth1, deny: maybe }
  - { iif: eth0, group: [], oifs: [7, { interface: eth1, ttl_threshold: x }], except: [10.0] }
  - nonsense
joins: {}
interfaces:
  - { name: eth0, enabled: yes, boundaries: 239.1.1.1 }
  - { name: eth1, querrier: true, mrdisc: 1 }
`;
    const lines = refusal(text);
    for (const pattern of [
      /^net\.yaml:2: routes\[0\]\.oifs: must be a list$/,
      /^net\.yaml:2: routes\[0\]\.iif: must be a text, not the number 5: put it in quotes$/,
      /^net\.yaml:2: routes\[0\]\.deny: must be true or false$/,
      /^net\.yaml:3: routes\[1\]\.group: must be a text$/,
      /^net\.yaml:3: routes\[1\]\.oifs\[0\]: must be an object/,
      /^net\.yaml:3: routes\[1\]\.oifs\[1\]\.ttl_threshold: must be a whole number$/,
      /^net\.yaml:3: routes\[1\]\.except\[0\]: must be a text/,
      /^net\.yaml:4: routes\[2\]: must be an object/,
      /^net\.yaml:5: joins: must be a list$/,
      /^net\.yaml:7: interfaces\[0\]\.enabled: must be true or false$/,
      /^net\.yaml:7: interfaces\[0\]\.boundaries: must be a list$/,
      /^net\.yaml:8: interfaces\[1\]\.querrier: is not known here: did you mean 'querier'\?$/,
      /^net\.yaml:8: interfaces\[1\]\.mrdisc: must be true or false$/,
    ]) {
      assert.ok(
        lines.some((line) => pattern.test(line)),
        `${String(pattern)} in\n${lines.join('\n')}`,
      );
    }
  });

  it('is refused where something is missing', () => {
    assert.deepEqual(
      refusal('routes: [{}]').map((line) => line.replace(/^net.yaml:1: /, '')),
      [
        'routes[0].iif: is required',
        'routes[0].group: is required',
        'routes[0]: oifs is required; write `oifs: []` for a rule that adds none',
      ],
    );
    assert.equal(parseResourceFile('routes: [{iif: a, group: 239.1.1.1, deny: true}]', 'x').resources.length, 1);
    assert.match(refusal('resources: [{}]')[0] ?? '', /must have one of mroute, membership and interface/);
    assert.match(
      refusal('resources: [{mroute: {key: {iif: a}}}]')[0] ?? '',
      /resources\[0\]\.mroute\.key\.group: is req/,
    );
    assert.match(refusal('resources: [{mroute: }]')[0] ?? '', /resources\[0\]\.mroute: must be an object/);
  });

  it('is refused with the line of a syntax error, of a key given twice and of aliases without end', () => {
    assert.match(refusal('routes:\n  - iif: [eth0\n')[0] ?? '', /^net\.yaml:\d: /);
    assert.match(refusal('routes: []\nroutes: []\n')[0] ?? '', /^net\.yaml:2: .*unique/);
    const bomb = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 8; i++) bomb.push(`a${i}: &a${i} [${`*a${i - 1}, `.repeat(10)}]`);
    assert.match(refusal(bomb.join('\n'))[0] ?? '', /alias/);
  });

  it('tells no more than 100 problems, and how many more there are', () => {
    const lines = refusal(`routes: [${'{iif: a, oifs: []}, '.repeat(150)}]`);
    assert.equal(lines.length, 101);
    assert.equal(lines.at(-1), '(and 50 more)');
  });

  it('is where the fields of a request are found', () => {
    const friendly = parseResourceFile('routes:\n- iif: a\n  group: x\n  oifs:\n  - b\n', 'net.yaml');
    assert.equal(friendly.nameField('changes[0].put.mroute.key.group'), 'net.yaml:3: routes[0].group');
    assert.equal(
      friendly.nameField('resources[0].mroute.oifs[0].interface'),
      'net.yaml:5: routes[0].oifs[0].interface',
    );
    const wire = parseResourceFile('resources:\n- mroute:\n    key:\n      iif: a\n      group: x\n', 'net.yaml');
    assert.equal(wire.nameField('changes[0].put.mroute.key.group'), 'net.yaml:5: resources[0].mroute.key.group');
    assert.equal(wire.nameField('owner'), 'owner');
    const interfaces = parseResourceFile('interfaces:\n- name: a\n  boundaries:\n  - 10.0.0.1\n', 'net.yaml');
    assert.equal(
      interfaces.nameField('changes[0].put.interface.boundaries[0]'),
      'net.yaml:4: interfaces[0].boundaries[0]',
    );
  });
});

describe('what is written as a file', () => {
  // Names and labels that YAML would take for something else are the point.
  const odd = fc.constantFrom('on', 'null', '1e3', '0x1', '- a', '# x', 'a: b', '*x', '"', "'", 'true', '~', '1.5');
  const name = fc.oneof(odd, fc.stringMatching(/^[!-~]{1,15}$/)).map((text) => text.replace(/[/:\s]/g, '_'));
  const label = fc.oneof(odd, fc.string({ maxLength: 40, unit: 'grapheme' }), fc.constant('two\nlines\n\n end '));
  const number = fc.integer({ min: 0, max: 255 });
  const octet = number.map(String);
  const group = fc.oneof(
    fc.tuple(octet, octet).map(([a, b]) => `239.1.${a}.${b}`),
    number.map((value) => `ff3e::${value.toString(16)}`),
  );
  const source = fc.constantFrom('', '10.0.0.5', '10.0.0.0/8', '::/0', '2001:db8::1');
  const oif = fc.oneof(
    name.map((text) => ({ interface: text })),
    fc.record({
      interface: name,
      ttlThreshold: fc.integer({ min: 1, max: 254 }),
      _ttlThreshold: fc.constant('ttlThreshold' as const),
    }),
  );
  const mroute = fc.record({
    key: fc.record({ iif: name, source, group }),
    oifs: fc.array(oif, { maxLength: 5 }),
    except: fc.array(
      octet.map((value) => `10.${value}.0.0/16`),
      { maxLength: 3 },
    ),
    deny: fc.boolean(),
    label,
  });
  const resource: fc.Arbitrary<Resource__Output> = fc.oneof(
    mroute.map((value) => ({ mroute: value, kind: 'mroute' as const })),
    fc
      .record({ key: fc.record({ interface: name, group, source }), label })
      .map((value) => ({ membership: value, kind: 'membership' as const })),
    fc
      .record({
        key: fc.record({ name }),
        ttlThreshold: fc.integer({ min: 1, max: 254 }),
        querier: fc.boolean(),
        mrdisc: fc.boolean(),
        boundaries: fc.array(group, { maxLength: 3 }),
        enabled: fc.constantFrom(true, false, undefined),
      })
      .map(({ enabled, ...value }) => ({
        interface: enabled === undefined ? value : { ...value, enabled, _enabled: 'enabled' as const },
        kind: 'interface' as const,
      })),
  );
  const order = (resources: readonly Resource__Output[]) => resources.map((one) => JSON.stringify(one)).sort();

  it('leaves out what is plain', () => {
    assert.deepEqual(JSON.parse(renderResourceFile([plain, settings], 'json')), {
      interfaces: [
        { name: 'eth3' },
        {
          name: 'eth2',
          ttl_threshold: 16,
          enabled: false,
          querier: true,
          mrdisc: true,
          boundaries: ['239.255.0.0/16', 'ff15::/16'],
        },
      ],
      routes: [],
      joins: [],
    });
  });

  for (const format of ['yaml', 'json'] as const) {
    it(`as ${format} is read again as the same resources`, () => {
      fc.assert(
        fc.property(fc.array(resource, { maxLength: 8 }), (resources) => {
          const text = renderResourceFile(resources, format);
          const read = parseResourceFile(text, 'x').resources.map(sorted);
          assert.deepEqual(order(read), order(resources.map(sorted)), text);
        }),
      );
    });
  }
});

/** The same resource with its keys in one order, so that it can be compared as text. */
function sorted(resource: Resource__Output): Resource__Output {
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, inner]) => [key, walk(inner)]),
    );
  };
  return walk(resource) as Resource__Output;
}

describe('the one form of a resource', () => {
  it('has no host bits and its oifs and excepts in order', () => {
    const wire: Resource__Output = {
      mroute: {
        key: { iif: 'eth0', source: '10.1.2.3/8', group: '239.1.1.7/24' },
        oifs: [{ interface: 'b', ttlThreshold: 3, _ttlThreshold: 'ttlThreshold' }, { interface: 'a' }],
        except: ['10.2.0.0/16', '10.1.9.9/16'],
        deny: false,
        label: '',
      },
    };
    const { key, resource } = canonical(wire);
    assert.equal(key, 'mroute (10.0.0.0/8, 239.1.1.0/24) eth0');
    assert.deepEqual(resource.mroute, {
      key: { iif: 'eth0', source: '10.0.0.0/8', group: '239.1.1.0/24' },
      oifs: [{ interface: 'a' }, { interface: 'b', ttlThreshold: 3, _ttlThreshold: 'ttlThreshold' }],
      except: ['10.1.0.0/16', '10.2.0.0/16'],
      deny: false,
      label: '',
    });
    assert.deepEqual(canonical(resource), { key, resource });
  });

  it('holds for memberships and interfaces too', () => {
    assert.deepEqual(canonical(join), { key: 'membership (10.0.0.5, 232.1.1.1) eth0', resource: join });
    assert.deepEqual(canonical(settings), { key: 'interface eth2', resource: settings });
    assert.deepEqual(canonical(plain), { key: 'interface eth3', resource: plain });
    const loose = { ...settings.interface, key: { name: 'eth2' }, ttlThreshold: 0, querier: false, mrdisc: false };
    const boundaries = ['ff15::/16', '239.255.7.7/16', '239.255.0.0/16'];
    assert.deepEqual(canonical({ interface: { ...loose, boundaries } }).resource.interface, {
      ...loose,
      ttlThreshold: 1,
      boundaries: ['239.255.0.0/16', 'ff15::/16'],
    });
  });
});
