// What is written as smcroute.conf is read again as the same resources.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hasErrors } from '../../src/agent/config/diagnostic.js';
import { parseConfiguration } from '../../src/agent/config/parse.js';
import { toResources } from '../../src/agent/config/resources.js';
import { api } from '../../src/api/load.js';
import { renderResource } from '../../src/api/render.js';
import { CliError } from '../../src/cli/errors.js';
import { renderConfigurationFile } from '../../src/cli/output/configuration.js';
import { FAMILIES, type Family, canonicalPrefixes, parsePrefix } from '../../src/model/address.js';
import { formatResourceLine, whyUnwritable } from '../../src/model/configuration-line.js';
import { isInterfaceName, isWildcard } from '../../src/model/interface.js';
import { type Resource, formatResourceKey } from '../../src/model/resource.js';

const TEXTS: Readonly<Record<Family, { readonly groups: string[]; readonly sources: string[] }>> = {
  ipv4: {
    groups: ['239.1.1.1', '239.0.0.0/8', '224.0.0.0/4', '239.1.1.0/31'],
    sources: ['0.0.0.0/0', '10.0.0.1', '10.0.0.0/8', '0.0.0.0/8', '128.0.0.0/1'],
  },
  ipv6: {
    groups: ['ff3e::1', 'ff15::/16', 'ff00::/8', 'ff15::ffff:0/120'],
    sources: ['::/0', '2001:db8::1', '2001:db8::/32', '::1', '::ffff:10.0.0.1'],
  },
};

// Names that the grammar has another meaning for are the point.
const names = fc
  .oneof(
    fc.constantFrom(
      'eth0',
      'eth+',
      '+',
      'to',
      'from',
      'group',
      'source',
      'except',
      'eth0@5',
      '#',
      '#a',
      'a#',
      '\\',
      '1',
      ',',
    ),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 15 }),
  )
  .filter(isInterfaceName);
const plainNames = names.filter((name) => !isWildcard(name));
const labels = fc.oneof(
  fc.constant(''),
  fc.string(),
  fc.constantFrom('a\nmroute from x group 239.9.9.9', '\r\u2028b\n'),
);

function prefixes(family: Family, kind: 'groups' | 'sources') {
  return fc.constantFrom(...TEXTS[family][kind]).map(parsePrefix);
}

function resources(family: Family): fc.Arbitrary<Resource> {
  const flow = { source: prefixes(family, 'sources'), group: prefixes(family, 'groups') };
  const threshold = fc.constantFrom(undefined, 1, 9, 254);
  const mroutes = fc.record({
    key: fc.record({ kind: fc.constant('mroute' as const), iif: names, ...flow }),
    oifs: fc
      .uniqueArray(fc.record({ interface: names, ttlThreshold: threshold }), {
        maxLength: 3,
        selector: (oif) => oif.interface,
      })
      .map((oifs) => oifs.sort((a, b) => (a.interface < b.interface ? -1 : 1))),
    except: fc.array(prefixes(family, 'sources'), { maxLength: 2 }).map(canonicalPrefixes),
    deny: fc.constantFrom(false, false, false, true),
    label: labels,
  });
  const memberships = fc.record({
    key: fc.record({
      kind: fc.constant('membership' as const),
      interface: plainNames,
      source: fc.constantFrom(0, 1).map((at) => parsePrefix(TEXTS[family].sources[at] ?? '')),
      group: prefixes(family, 'groups').filter(({ length }) => length > 30),
    }),
    label: labels,
  });
  const settings = fc.record({
    key: fc.record({ kind: fc.constant('interface' as const), name: plainNames }),
    ttlThreshold: fc.constantFrom(1, 9, 254),
    isEnabled: fc.constantFrom(true, false, undefined),
    isQuerier: fc.boolean(),
    isAdvertised: fc.boolean(),
    boundaries: fc.array(prefixes(family, 'groups'), { maxLength: 3 }).map(canonicalPrefixes),
  });
  return fc.oneof(mroutes, memberships, settings);
}

const tables = fc.uniqueArray(fc.oneof(...FAMILIES.map(resources)), {
  maxLength: 8,
  selector: ({ key }) => formatResourceKey(key),
});

function read(text: string): readonly Resource[] {
  const { statements, diagnostics } = parseConfiguration(text, 'f');
  assert.ok(!hasErrors(diagnostics), `${JSON.stringify(diagnostics)} in\n${text}`);
  return toResources(statements);
}

/** As text, in the order of the keys; a configuration has no labels. */
function inOrder(all: readonly Resource[]): string[] {
  return all
    .map((resource) => ('label' in resource ? { ...resource, label: '' } : resource))
    .map((resource) => `${formatResourceKey(resource.key)} ${JSON.stringify(renderResource(resource))}`)
    .sort();
}

describe('a configuration that is written', () => {
  it('is read again as the same resources', () => {
    const property = fc.property(tables, (drawn) => {
      const table = drawn.filter((resource) => whyUnwritable(resource) === undefined);
      const text = renderConfigurationFile(table.map(onWire));
      assert.deepEqual(inOrder(read(text)), inOrder(table), text);
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  it('is refused only for what a line would be misread for', () => {
    const property = fc.property(fc.oneof(...FAMILIES.map(resources)), (resource) => {
      if (whyUnwritable(resource) === undefined) return;
      const { statements, diagnostics } = parseConfiguration(formatResourceLine(resource), 'f');
      const isMisread = hasErrors(diagnostics) || inOrder(toResources(statements))[0] !== inOrder([resource])[0];
      assert.ok(isMisread, formatResourceLine(resource));
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  it('has the lines of interfaces first, in their order, and labels as comments', () => {
    const [route] = read('mroute from eth0 group 239.1.1.1 to eth1');
    const [first, second] = read('phyint eth9 mrdisc\nphyint eth1');
    assert.ok(route && first && second && 'oifs' in route);
    const labelled = { ...route, label: 'studio 1\nmroute from x group 239.9.9.9' };
    assert.equal(
      renderConfigurationFile([labelled, first, second].map(onWire)),
      'phyint eth9 mrdisc\n' +
        'phyint eth1\n' +
        '# studio 1\n# mroute from x group 239.9.9.9\nmroute from eth0 group 239.1.1.1 to eth1\n',
    );
  });

  it('is refused as a whole where the grammar has no word, with each resource that is concerned', () => {
    const [route] = read('mroute from eth0 group 239.1.1.1');
    assert.ok(route && 'oifs' in route);
    const denying = { ...route, deny: true };
    const odd = { ...route, key: { ...route.key, iif: '#eth0' } };
    const exceptAll = { ...route, key: { ...route.key, iif: 'e' }, except: [parsePrefix('0.0.0.0/0')] };
    const toOdd = { ...route, key: { ...route.key, iif: 'f' }, oifs: [{ interface: 'a@5', ttlThreshold: undefined }] };
    assert.throws(
      () => renderConfigurationFile([denying, odd, exceptAll, toOdd].map(onWire)),
      (error) => {
        assert.ok(error instanceof CliError);
        assert.deepEqual(error.details, [
          "mroute (*, 239.1.1.1) eth0: a line has no word for 'deny'",
          "mroute (*, 239.1.1.1) #eth0: a line cannot name the interface '#eth0'",
          'mroute (*, 239.1.1.1) e: a line cannot except all senders',
          "mroute (*, 239.1.1.1) f: a line cannot name the interface 'a@5'",
          'export without --conf, which has words for all of it',
        ]);
        return true;
      },
    );
  });
});

/** As a client gets it. */
function onWire(resource: Resource) {
  const { Apply } = api().mcroute.v1.RoutingService.service;
  const bytes = Apply.requestSerialize({ changes: [{ put: renderResource(resource) }] });
  return Apply.requestDeserialize(bytes).changes[0]?.put ?? assert.fail('no resource');
}
