// Lists, changes and watches as text and as documents.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { formsOf } from '../../src/api/codec.js';
import { decodeListResponse } from '../../src/api/entry-decoder.js';
import { MESSAGES } from '../../src/api/generated/codec.js';
import type { Entry__Output } from '../../src/api/generated/mcroute/v1/Entry.js';
import type { Interface__Output } from '../../src/api/generated/mcroute/v1/Interface.js';
import type { InterfaceStatus__Output } from '../../src/api/generated/mcroute/v1/InterfaceStatus.js';
import type { MrdiscStatus__Output } from '../../src/api/generated/mcroute/v1/MrdiscStatus.js';
import type { Mrule__Output } from '../../src/api/generated/mcroute/v1/Mrule.js';
import type { QuerierStatus__Output } from '../../src/api/generated/mcroute/v1/QuerierStatus.js';
import { renderEntry } from '../../src/api/render.js';
import { differenceLines } from '../../src/cli/output/differences.js';
import { entryDocument, longValue, resourceDocument } from '../../src/cli/output/document.js';
import { entryJson } from '../../src/cli/output/entry-json.js';
import { groupsView } from '../../src/cli/output/groups.js';
import { interfaceRows, interfacesView } from '../../src/cli/output/interfaces.js';
import { mrdiscDocument, mrdiscText, querierDocument, querierText } from '../../src/cli/output/link-protocols.js';
import { type Format, type ListView, type Page, renderList } from '../../src/cli/output/list.js';
import { mfcView } from '../../src/cli/output/mfc.js';
import { pendingView } from '../../src/cli/output/pending.js';
import { countEffects, notesOfApply } from '../../src/cli/output/results.js';
import { routesView } from '../../src/cli/output/routes.js';
import { rulesView } from '../../src/cli/output/rules.js';
import { keyText, oifsText, printable, resourceText } from '../../src/cli/output/text.js';
import { WatchView } from '../../src/cli/output/watch.js';
import { counters, entries } from '../support/entry-arbitraries.js';

const ENTRY: Entry__Output = {
  resource: {
    mroute: {
      key: { iif: 'eth0', source: '10.0.0.5', group: '239.1.1.1' },
      oifs: [{ interface: 'eth1' }, { interface: 'eth2', ttlThreshold: 16, _ttlThreshold: 'ttlThreshold' }],
      except: [],
      deny: false,
      label: 'studio 1',
    },
    kind: 'mroute',
  },
  owners: ['cli', 'config'],
  state: 'STATE_PARTIAL',
  error: null,
  missing: [{ reason: 'INTERFACE_NOT_FOUND', interface: 'eth2', text: "there is no interface 'eth2'" }],
  warnings: [{ code: 'RP_FILTER', text: 'rp_filter is on' }],
  programming: 'PROGRAMMING_SOURCE_GROUP',
  programmingReason: 'exact-source',
  counters: { packets: '9007199254740993', bytes: '64', wrongIf: '0' },
};

const MEMBERSHIP: Entry__Output = {
  ...ENTRY,
  resource: {
    membership: { key: { interface: 'eth0', group: '239.1.1.1', source: '' }, label: 'tv' },
    kind: 'membership',
  },
  state: 'STATE_PROGRAMMED',
  missing: [],
  warnings: [],
  programming: 'PROGRAMMING_UNSPECIFIED',
  programmingReason: '',
  counters: null,
};

async function* pagesOf<Row>(...pages: Page<Row>[]): AsyncGenerator<Page<Row>> {
  // A turn between pages, as between messages.
  for (const page of pages) yield await Promise.resolve(page);
}

async function render<Row>(
  view: ListView<Row>,
  rows: readonly Row[],
  format: Format,
  hasColour = false,
): Promise<string> {
  const half = Math.ceil(rows.length / 2);
  const pages = pagesOf({ revision: '7', rows: rows.slice(0, half) }, { revision: '7', rows: rows.slice(half) });
  let text = '';
  for await (const part of renderList(view, pages, format, hasColour)) text += part;
  return text;
}

describe('a table', () => {
  it('has columns as wide as their cells, and nothing after the last', async () => {
    assert.equal(
      await render(routesView, [ENTRY], 'table'),
      'ROUTE                  IIF   OIFS          STATE    OWNERS\n' +
        '(10.0.0.5, 239.1.1.1)  eth0  eth1 eth2@16  partial  cli,config\n',
    );
  });

  it('has more columns when it is wide', async () => {
    const [titles = '', row = ''] = (await render(routesView, [ENTRY], 'wide')).split('\n');
    assert.match(titles, /OWNERS +PROGRAMMING +PACKETS +BYTES +WRONG-IF +LABEL +WARNINGS$/);
    assert.match(row, /source-group \(exact-source\) +9007199254740993 +64 +0 +studio 1 +RP_FILTER: rp_filter is on$/);
  });

  it('has its titles where it has no rows', async () => {
    assert.equal(await render(groupsView, [], 'table'), 'GROUP  INTERFACE  STATE  OWNERS\n');
  });

  it('paints states, without moving the columns', async () => {
    const rows = [ENTRY, MEMBERSHIP];
    const painted = await render(groupsView, rows, 'table', true);
    assert.ok(painted.includes('\u001b[33mpartial   \u001b[0m'), painted);
    assert.ok(painted.includes('\u001b[32mprogrammed\u001b[0m'), painted);
    const escapes = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g');
    assert.equal(painted.replace(escapes, ''), await render(groupsView, rows, 'table'));
  });

  it('shows what others have written without acting on it', async () => {
    const evil = { ...MEMBERSHIP, owners: ['\u001b]0;title\u0007', 'a\nb'] };
    const text = await render(groupsView, [evil], 'table');
    assert.ok(text.includes('\\x1b]0;title\\x07,a\\x0ab\n'), text);
  });

  it('begins to print before all rows have come', async () => {
    let given = 0;
    const endless = async function* (): AsyncGenerator<Page<Entry__Output>> {
      for (;;) {
        given += 100;
        yield await Promise.resolve({ revision: '1', rows: new Array<Entry__Output>(100).fill(ENTRY) });
      }
    };
    let lines = 0;
    for await (const text of renderList(routesView, endless(), 'table', false)) {
      assert.match(text, /\n$/);
      lines += text.split('\n').length - 1;
      if (lines >= 5_000) break;
    }
    assert.ok(given <= 5_100, `${given} rows were taken for ${lines} lines`);
  });
});

describe('a document', () => {
  it('of JSON is one, with a row a line', async () => {
    const text = await render(routesView, [ENTRY, MEMBERSHIP, ENTRY], 'json');
    assert.equal(text.split('\n').length, 6);
    const document = JSON.parse(text) as { revision: number; routes: unknown[] };
    assert.equal(document.revision, 7);
    assert.deepEqual(document.routes[0], {
      kind: 'mroute',
      iif: 'eth0',
      source: '10.0.0.5',
      group: '239.1.1.1',
      oifs: [
        { interface: 'eth1', ttl_threshold: null },
        { interface: 'eth2', ttl_threshold: 16 },
      ],
      except: [],
      deny: false,
      label: 'studio 1',
      owners: ['cli', 'config'],
      state: 'partial',
      error: null,
      missing: [{ reason: 'INTERFACE_NOT_FOUND', interface: 'eth2', text: "there is no interface 'eth2'" }],
      warnings: [{ code: 'RP_FILTER', text: 'rp_filter is on' }],
      programming: 'source-group',
      programming_reason: 'exact-source',
      counters: { packets: '9007199254740993', bytes: 64, wrong_if: 0 },
    });
  });

  it('is the same in YAML and in JSON, also where it is empty', async () => {
    for (const rows of [[], [MEMBERSHIP], [ENTRY, MEMBERSHIP, ENTRY]]) {
      const json: unknown = JSON.parse(await render(routesView, rows, 'json'));
      assert.deepEqual(parse(await render(routesView, rows, 'yaml')), json);
    }
    const nothing = pagesOf<Entry__Output>();
    for await (const text of renderList(routesView, nothing, 'yaml', false)) assert.equal(text, 'routes: []\n');
  });

  it('of an entry is the same where it is written without a document', () => {
    const { serialize } = formsOf<object, object>(MESSAGES['mcroute.v1.ListResponse'] ?? assert.fail());
    const listed = fc.record({ entry: entries, counts: fc.option(counters, { nil: undefined }) });
    fc.assert(
      fc.property(fc.array(listed, { maxLength: 3 }), (some) => {
        const rendered = some.map(({ entry: { resource, owners, status }, counts }) => {
          const [packets, bytes, wrongIf] = counts?.map(String) ?? [];
          return {
            ...renderEntry(resource, owners, status),
            counters: counts === undefined ? null : { packets, bytes, wrongIf },
          };
        });
        for (const entry of decodeListResponse(serialize({ entries: rendered })).entries) {
          assert.equal(entryJson(entry), JSON.stringify(entryDocument(entry)));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('survives labels of any text in YAML', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme' })), async (owners) => {
        const rows = [{ ...MEMBERSHIP, owners }, MEMBERSHIP];
        const json: unknown = JSON.parse(await render(groupsView, rows, 'json'));
        assert.deepEqual(parse(await render(groupsView, rows, 'yaml')), json);
      }),
    );
  });

  it('has numbers as numbers up to 2^53', () => {
    assert.equal(longValue('9007199254740991'), 9007199254740991);
    assert.equal(longValue('9007199254740993'), '9007199254740993');
    assert.equal(longValue('18446744073709551615'), '18446744073709551615');
  });

  it('has the same keys for every entry of a kind', () => {
    assert.deepEqual(Object.keys(entryDocument(ENTRY)), Object.keys(entryDocument({ ...ENTRY, counters: null })));
    assert.equal(entryDocument(MEMBERSHIP)['source'], null);
    assert.equal(entryDocument({ ...MEMBERSHIP, resource: null })['kind'], 'unknown');
  });
});

describe('other lists', () => {
  const status: InterfaceStatus__Output = {
    name: 'eth0',
    ifindex: 2,
    up: true,
    carrier: false,
    multicast: true,
    ipv4Vif: 0,
    _ipv4Vif: 'ipv4Vif',
    master: '',
    kind: 'veth',
    mtu: 1500,
    warnings: [],
    queriers: [],
    mrdisc: [],
  };
  const settings: Interface__Output = {
    key: { name: 'eth0' },
    ttlThreshold: 16,
    enabled: false,
    _enabled: 'enabled',
    querier: true,
    mrdisc: true,
    boundaries: ['239.255.0.0/16', 'ff15::/16'],
  };
  const plain: Interface__Output = {
    key: { name: 'tun0' },
    ttlThreshold: 1,
    querier: false,
    mrdisc: false,
    boundaries: [],
  };
  const querier: QuerierStatus__Output = {
    family: 'FAMILY_IPV4',
    waitingFor: 'WAITING_FOR_UNSPECIFIED',
    role: 'ROLE_QUERIER',
    source: '10.0.0.1',
    querier: '10.0.0.1',
    version: 3,
    error: '',
  };
  const other: QuerierStatus__Output = {
    ...querier,
    family: 'FAMILY_IPV6',
    role: 'ROLE_NON_QUERIER',
    source: 'fe80::5',
    querier: 'fe80::1',
    version: 1,
  };
  const mrdisc: MrdiscStatus__Output = {
    family: 'FAMILY_IPV4',
    waitingFor: 'WAITING_FOR_UNSPECIFIED',
    source: '10.0.0.1',
    interval: 20,
    error: '',
  };

  it('show interfaces with their numbers, and those that are not there', async () => {
    const absent = { ...status, name: 'wg0', ifindex: 0, mtu: 0, kind: '', ipv4Vif: 1 };
    const rows = interfaceRows([status, absent], []);
    assert.equal(
      await render(interfacesView, rows, 'table'),
      'NAME  IFINDEX  VIF  MIF  FLAGS           MTU  MASTER  KIND\n' +
        'eth0        2    0    -  up,no-carrier  1500  -       veth\n' +
        'wg0         -    1    -  absent            -  -       -\n',
    );
    const warned = { ...status, warnings: [{ code: 'RP_FILTER', text: 'is strict' }] };
    assert.match(await render(interfacesView, interfaceRows([warned], []), 'wide'), /RP_FILTER: is strict/);
    const { interfaces } = JSON.parse(await render(interfacesView, rows, 'json')) as { interfaces: unknown[] };
    assert.deepEqual(interfaces[0], {
      name: 'eth0',
      ifindex: 2,
      up: true,
      carrier: false,
      multicast: true,
      ipv4_vif: 0,
      ipv6_vif: null,
      master: null,
      kind: 'veth',
      mtu: 1500,
      settings: [],
      queriers: [],
      mrdisc: [],
      warnings: [],
    });
  });

  it('show below an interface what owners want of it, and what the protocols do there', async () => {
    const rows = interfaceRows(
      [{ ...status, queriers: [querier, other], mrdisc: [mrdisc] }],
      [
        { settings, owners: ['cli', 'config'] },
        { settings: plain, owners: ['net'] },
        { settings: { ...plain, key: { name: 'eth0' }, enabled: true, _enabled: 'enabled' }, owners: ['net'] },
      ],
    );
    const table =
      'NAME  IFINDEX  VIF  MIF  FLAGS           MTU  MASTER  KIND\n' +
      'eth0        2    0    -  up,no-carrier  1500  -       veth\n' +
      '  settings: ttl-threshold 16 disabled querier mrdisc boundary 239.255.0.0/16 boundary ff15::/16 (cli,config)\n' +
      '  settings: ttl-threshold 1 enabled (net)\n' +
      '  querier: 10.0.0.1 (us), IGMPv3\n' +
      '  querier: fe80::1, MLDv1 (other querier present; we are fe80::5)\n' +
      '  mrdisc: 10.0.0.1, every 20 s\n' +
      'tun0        -    -    -  absent            -  -       -\n' +
      '  settings: ttl-threshold 1 (net)\n';
    assert.equal(await render(interfacesView, rows, 'table'), table);
    const { interfaces } = JSON.parse(await render(interfacesView, rows, 'json')) as {
      interfaces: Record<string, unknown>[];
    };
    assert.deepEqual(interfaces[0]?.['settings'], [
      {
        ttl_threshold: 16,
        enabled: false,
        querier: true,
        mrdisc: true,
        boundaries: ['239.255.0.0/16', 'ff15::/16'],
        owners: ['cli', 'config'],
      },
      { ttl_threshold: 1, enabled: true, querier: false, mrdisc: false, boundaries: [], owners: ['net'] },
    ]);
    const talking = { waiting_for: null, error: null };
    assert.deepEqual(interfaces[0]['queriers'], [
      { family: 'ipv4', ...talking, role: 'querier', source: '10.0.0.1', querier: '10.0.0.1', version: 3 },
      { family: 'ipv6', ...talking, role: 'non-querier', source: 'fe80::5', querier: 'fe80::1', version: 1 },
    ]);
    assert.deepEqual(interfaces[0]['mrdisc'], [{ family: 'ipv4', ...talking, source: '10.0.0.1', interval: 20 }]);
    assert.deepEqual(interfaces[1]?.['settings'], [
      { ttl_threshold: 1, enabled: null, querier: false, mrdisc: false, boundaries: [], owners: ['net'] },
    ]);
  });

  it('tell of a querier and of router discovery that wait, or cannot send', () => {
    const silent = { source: '', querier: '', role: 'ROLE_UNSPECIFIED' } as const;
    const up = { waitingFor: 'WAITING_FOR_UP' } as const;
    const address = { waitingFor: 'WAITING_FOR_ADDRESS' } as const;
    assert.equal(querierText({ ...querier, ...silent, ...up }), 'IGMPv3 waits for the interface to be up');
    assert.equal(querierText({ ...other, ...silent, ...address, version: 2 }), 'MLDv2 waits for a link-local address');
    assert.equal(mrdiscText({ ...mrdisc, source: '', ...address }), 'IPv4 waits for an address');
    assert.equal(
      mrdiscText({ ...mrdisc, source: '', ...up, family: 'FAMILY_IPV6' }),
      'IPv6 waits for the interface to be up',
    );
    const error = 'sendmsg: ENETDOWN';
    assert.equal(
      querierText({ ...querier, error }),
      '10.0.0.1 (us), IGMPv3; the last message was not sent: sendmsg: ENETDOWN',
    );
    assert.match(mrdiscText({ ...mrdisc, error }), /^10\.0\.0\.1, every 20 s; .*: sendmsg: ENETDOWN$/);
    assert.equal(querierDocument({ ...querier, ...silent, ...up })['waiting_for'], 'up');
    assert.equal(querierDocument({ ...querier, ...silent, ...up })['role'], null);
    assert.equal(mrdiscDocument({ ...mrdisc, ...address, error })['waiting_for'], 'address');
    assert.equal(mrdiscDocument({ ...mrdisc, error })['error'], error);
  });

  it('name the settings of an interface in a line', () => {
    assert.equal(resourceText({ interface: plain }), 'interface tun0 ttl-threshold 1');
    assert.match(
      resourceText({ interface: settings }),
      /^interface eth0 ttl-threshold 16 disabled querier mrdisc bound/,
    );
    assert.deepEqual(resourceDocument({ interface: plain }), {
      kind: 'interface',
      name: 'tun0',
      ttl_threshold: 1,
      enabled: null,
      querier: false,
      mrdisc: false,
      boundaries: [],
    });
  });

  it('show whose a rule is', async () => {
    const rule: Mrule__Output = {
      family: 'FAMILY_IPV4',
      iif: 'eth0',
      oif: '',
      table: 5,
      priority: 4000,
      protocol: 77,
      state: 'STATE_PROGRAMMED',
    };
    const foreign: Mrule__Output = { ...rule, iif: '', oif: 'eth1', protocol: 0, state: 'STATE_CONFLICT' };
    assert.equal(
      await render(rulesView, [rule, foreign], 'table'),
      'FAMILY  PRIORITY  MATCHES   TABLE  PROTOCOL  WHOSE         STATE\n' +
        "ipv4        4000  iif eth0      5  mcroute   this agent's  programmed\n" +
        "ipv4        4000  oif eth1      5  0         another's     conflict\n",
    );
  });

  it('show the forwarding cache with the rules that made it', async () => {
    const entry = {
      source: '10.0.0.5',
      group: '239.1.1.1',
      iif: 'eth0',
      oifs: [{ interface: 'eth1' }],
      learned: true,
      rules: [{ iif: 'eth0', source: '', group: '239.1.0.0/16' }],
      counters: { packets: '3', bytes: '300', wrongIf: '1' },
    };
    assert.equal(
      await render(mfcView, [entry], 'table'),
      '(S,G)                  IIF   OIFS  LEARNED  PACKETS  BYTES  WRONG-IF  RULES\n' +
        '(10.0.0.5, 239.1.1.1)  eth0  eth1  learned        3    300         1  (*, 239.1.0.0/16) eth0\n',
    );
  });

  it('show what is pending with the sentence', async () => {
    const [, row] = (await render(pendingView, [ENTRY], 'table')).split('\n');
    assert.match(
      row ?? '',
      /^route \(10\.0\.0\.5, 239\.1\.1\.1\) eth0 +eth2 +partial +cli,config +there is no interface/,
    );
  });
});

describe('text', () => {
  it('says where a rule forwards to nothing', () => {
    assert.equal(oifsText({ deny: true, oifs: [{ interface: 'a' }] }), '(deny)');
    assert.equal(oifsText({ deny: false, oifs: [] }), '(none)');
  });

  it('has a word for what it does not know', () => {
    assert.equal(keyText({}), '(of a kind this mcctl does not know)');
  });

  it('never has control characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(printable(text), /\p{Cc}/u);
      }),
    );
  });

  it('of a difference has the resource before and after', () => {
    const before = ENTRY.resource ?? undefined;
    assert.equal(
      differenceLines({ before, after: undefined }, false),
      '- route (10.0.0.5, 239.1.1.1) eth0 -> eth1 eth2@16 label "studio 1"\n',
    );
    assert.equal(
      differenceLines({ before: undefined, after: MEMBERSHIP.resource ?? undefined }, true),
      '\u001b[32m+ join (*, 239.1.1.1) eth0 label "tv"\u001b[0m\n',
    );
  });

  it('of an agent that does not count the effects has them counted', () => {
    const results = (['EFFECT_ADDED', 'EFFECT_REMOVED', 'EFFECT_ADDED', 'EFFECT_UNSPECIFIED'] as const).map(
      (effect) => {
        return { id: '1', effect, entry: null, warnings: [], error: null };
      },
    );
    const none = { added: 0, changed: 0, removed: 0, unchanged: 0 };
    const plain = { ...none, revision: '1', differences: [], confirmDeadline: null, repeatedRequest: false };
    assert.deepEqual(countEffects({ ...plain, results }), { ...none, added: 2, removed: 1 });
    assert.deepEqual(countEffects({ ...plain, results: [], changed: 7 }), { ...none, changed: 7 });
  });

  it('of many notes ends with how many more there are', () => {
    const result = { id: '1', effect: 'EFFECT_ADDED' as const, entry: ENTRY, warnings: [], error: null };
    const counts = { added: 150, changed: 0, removed: 0, unchanged: 0 };
    const others = { differences: [], confirmDeadline: null, repeatedRequest: false };
    const notes = notesOfApply({
      revision: '1',
      results: new Array<typeof result>(150).fill(result),
      ...counts,
      ...others,
    });
    assert.equal(notes.length, 101);
    assert.equal(notes.at(-1), '(and 50 more notes)');
  });
});

describe('a watch', () => {
  const put = (entry: Entry__Output) => ({ put: { entries: [entry] }, event: 'put' as const });
  const synced = { synced: {}, event: 'synced' as const };
  const gone = {
    delete: { membership: { interface: 'eth0', group: '239.1.1.1', source: '' } },
    event: 'delete' as const,
  };

  it('tells new keys, changed ones and gone ones apart', () => {
    const view = new WatchView();
    view.beginAnew();
    const lines = [
      { revision: '0', events: [put(MEMBERSHIP)] },
      { revision: '3', events: [synced] },
      { revision: '4', events: [put(MEMBERSHIP), put(ENTRY)] },
      { revision: '5', events: [gone] },
      { revision: '6', events: [put(MEMBERSHIP)] },
    ].flatMap((message) => view.render(message, 'table', false));
    assert.deepEqual(lines, [
      '+ join (*, 239.1.1.1) eth0 label "tv": programmed\n',
      '= synced, revision 3\n',
      '~ join (*, 239.1.1.1) eth0 label "tv": programmed\n',
      '+ route (10.0.0.5, 239.1.1.1) eth0 -> eth1 eth2@16 label "studio 1": partial (eth2)\n',
      '- join (*, 239.1.1.1) eth0\n',
      '+ join (*, 239.1.1.1) eth0 label "tv": programmed\n',
    ]);
  });

  it('that begins anew tells what has gone meanwhile', () => {
    const view = new WatchView();
    view.beginAnew();
    view.render({ revision: '3', events: [put(MEMBERSHIP), put(ENTRY), synced] }, 'table', false);
    view.beginAnew();
    assert.deepEqual(view.render({ revision: '9', events: [put(ENTRY), synced] }, 'table', false).slice(1), [
      '- join (*, 239.1.1.1) eth0\n',
      '= synced, revision 9\n',
    ]);
  });

  it('that goes on takes nothing for gone', () => {
    const view = new WatchView();
    view.beginAnew();
    view.render({ revision: '3', events: [put(MEMBERSHIP), synced] }, 'table', false);
    view.goOn();
    assert.deepEqual(view.render({ revision: '4', events: [put(ENTRY), synced] }, 'table', false).length, 2);
    assert.match(view.render({ revision: '5', events: [put(MEMBERSHIP)] }, 'table', false)[0] ?? '', /^~ /);
  });

  it('of JSON has a revision only where everything up to it has been told', () => {
    const view = new WatchView();
    const objects = view
      .render({ revision: '4', events: [put(MEMBERSHIP), gone] }, 'json', false)
      .map((text) => JSON.parse(text) as { event: string; revision: number | null; key: { kind: string } });
    assert.deepEqual(
      objects.map(({ event, revision, key }) => [event, revision, key.kind]),
      [
        ['put', null, 'membership'],
        ['delete', 4, 'membership'],
      ],
    );
  });
});
