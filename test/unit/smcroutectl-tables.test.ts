// What smcroutectl prints, to the letter.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GroupRow, RouteRow } from '../../src/cli/smcroute/rows.js';
import { type Style, groupsText, interfacesText, pendingText, routesText } from '../../src/cli/smcroute/tables.js';

const PLAIN: Style = { headings: 'plain', width: 79, hasCounters: false };
const NONE: Style = { ...PLAIN, headings: 'none' };
const REVERSE: Style = { ...PLAIN, headings: 'reverse', width: 60 };

/** Rules of 79 characters, as lines are marked here. */
function text(lines: readonly string[]): string {
  return lines.map((line) => `${line === '___' || line === '===' ? line.charAt(0).repeat(79) : line}\n`).join('');
}

function row(source: string | null, group: string, iif: string, ...oifs: string[]): RouteRow {
  return { source, group, iif, oifs, packets: '7', bytes: '1234567' };
}

const ROUTES = {
  asm: [row(null, '225.3.3.3', 'a1', 'a2'), row(null, '225.3.4.0/24', 'a1', 'a2', 'a3')],
  ssm: [row('10.0.0.5', '225.4.4.4', 'a1', 'a2'), row('10.0.0.5', '225.4.4.5', 'a1')],
  kernel: [row('10.0.0.1', '225.77.0.1', 'a1')],
};

const NOTHING = { asm: [], ssm: [], kernel: [] };

const GROUPS: GroupRow[] = [
  { source: null, group: '225.1.1.1', iif: 'a1' },
  { source: '10.0.0.9', group: '232.1.1.1', iif: 'a1' },
];

describe('show routes', () => {
  it('has three tables under plain headings', () => {
    assert.equal(
      routesText(ROUTES, PLAIN, 2),
      text([
        '___',
        '(*,G) Template Rules',
        '===',
        'ROUTE (S,G)                                IIF  OIFS',
        '===',
        '(*, 225.3.3.3)                             a1   a2',
        '(*, 225.3.4.0/24)                          a1   a2 a3',
        '___',
        '(S,G) Rules',
        '===',
        'ROUTE (S,G)                                IIF  OIFS',
        '===',
        '(10.0.0.5, 225.4.4.4)                      a1   a2',
        '(10.0.0.5, 225.4.4.5)                      a1  ',
        '___',
        'Kernel MFC Table',
        '===',
        'ROUTE (S,G)                                IIF  OIFS',
        '===',
        '(10.0.0.1, 225.77.0.1)                     a1  ',
        '',
      ]),
    );
  });

  it('has the counters with -d', () => {
    assert.equal(
      routesText({ ...NOTHING, ssm: [row('10.0.0.5', '225.4.4.4', 'a1', 'a2')] }, { ...PLAIN, hasCounters: true }, 2),
      text([
        '___',
        '(S,G) Rules',
        '===',
        'ROUTE (S,G)                                IIF    PACKETS      BYTES  OIFS',
        '===',
        '(10.0.0.5, 225.4.4.4)                      a1           7    1234567  a2',
        '',
      ]),
    );
  });

  it('makes room for the longest name of the host, and longer rules under the headings', () => {
    const lines = routesText({ ...NOTHING, asm: [row(null, '225.1.1.1', 'a1', 'a2')] }, PLAIN, 14).split('\n');
    assert.deepEqual(lines.slice(3, 6), [
      'ROUTE (S,G)                                IIF             OIFS',
      '='.repeat(79),
      '(*, 225.1.1.1)                             a1              a2',
    ]);
    const counted = routesText(ROUTES, { ...PLAIN, hasCounters: true }, 15).split('\n');
    assert.equal(counted[3], 'ROUTE (S,G)                                IIF                PACKETS      BYTES  OIFS');
    assert.deepEqual([counted[0]?.length, counted[2]?.length, counted[4]?.length], [79, 86, 86]);
  });

  it('lets a long flow move the other columns', () => {
    const source = '2001:db8:1111:2222:3333:4444:5555:6666';
    assert.equal(
      routesText({ ...NOTHING, ssm: [row(source, 'ff0e::1', 'a1', 'a2')] }, NONE, 2),
      `(${source}, ff0e::1) a1   a2\n\n`,
    );
  });

  it('has rows only with -t', () => {
    assert.equal(
      routesText(ROUTES, { ...NONE, hasCounters: true }, 2),
      text([
        '(*, 225.3.3.3)                             a1           7    1234567  a2',
        '(*, 225.3.4.0/24)                          a1           7    1234567  a2 a3',
        '(10.0.0.5, 225.4.4.4)                      a1           7    1234567  a2',
        '(10.0.0.5, 225.4.4.5)                      a1           7    1234567 ',
        '(10.0.0.1, 225.77.0.1)                     a1           7    1234567 ',
        '',
      ]),
    );
  });

  it('has headings in reverse video over the width of a terminal', () => {
    assert.equal(
      routesText({ ...NOTHING, kernel: [row('10.0.0.1', '225.77.0.1', 'a1', 'a2')] }, REVERSE, 2),
      text([
        `\u001b[4m${' '.repeat(60)}\u001b[0m`,
        'Kernel MFC Table',
        '\u001b[7mROUTE (S,G)                                IIF  OIFS        \u001b[0m',
        '(10.0.0.1, 225.77.0.1)                     a1   a2',
        '',
      ]),
    );
  });

  it('is nothing where there is nothing', () => {
    for (const style of [PLAIN, NONE, REVERSE]) assert.equal(routesText(NOTHING, style, 2), '');
  });
});

describe('show groups', () => {
  it('has one table', () => {
    assert.equal(
      groupsText(GROUPS, undefined, PLAIN),
      text([
        '___',
        'Group Memberships Table',
        '===',
        'GROUP (S,G)                                IIF             ',
        '===',
        '(*, 225.1.1.1)                             a1',
        '(10.0.0.9, 232.1.1.1)                      a1',
        '',
      ]),
    );
  });

  it('is followed by what the kernel has joined, which has no columns to name', () => {
    assert.equal(
      groupsText(GROUPS.slice(1), GROUPS, REVERSE),
      text([
        `\u001b[4m${' '.repeat(60)}\u001b[0m`,
        'Group Memberships Table',
        '\u001b[7mGROUP (S,G)                                IIF              \u001b[0m',
        '(10.0.0.9, 232.1.1.1)                      a1',
        `\u001b[4m${' '.repeat(60)}\u001b[0m`,
        'Kernel Group Membership Table',
        '(*, 225.1.1.1)                             a1',
        '(10.0.0.9, 232.1.1.1)                      a1',
        '',
      ]),
    );
  });

  it('has rows only with -t, and is nothing where there is nothing', () => {
    assert.equal(groupsText(GROUPS.slice(0, 1), undefined, NONE), '(*, 225.1.1.1)                             a1\n\n');
    assert.equal(groupsText([], [], PLAIN), '');
  });
});

describe('show interfaces', () => {
  it('has a number for those that take part', () => {
    assert.equal(
      interfacesText(
        [
          { index: 1, name: 'lo', vif: null, mif: null },
          { index: 12, name: 'a1', vif: 0, mif: 31 },
        ],
        PLAIN,
      ),
      text(['===', ' INDEX PHYINT  VIF  MIF', '===', '     1 lo      N/A  N/A', '    12 a1        0   31', '']),
    );
  });

  it('makes room for long names', () => {
    assert.equal(
      interfacesText([{ index: 3, name: 'averylongname01', vif: 5, mif: null }], REVERSE),
      text([
        '\u001b[7m INDEX PHYINT           VIF  MIF                            \u001b[0m',
        '     3 averylongname01    5  N/A',
        '',
      ]),
    );
    assert.equal(interfacesText([{ index: 3, name: 'a1', vif: 5, mif: 6 }], NONE), '     3 a1        5    6\n\n');
  });
});

describe('show pending', () => {
  it('has the words of the configuration file', () => {
    assert.equal(
      pendingText(
        [
          { kind: 'mgroup', iif: 'wg1', source: null, group: '225.9.9.9', oifs: [] },
          { kind: 'mroute', iif: 'wg0', source: null, group: '239.5.5.5', oifs: ['a2'] },
          { kind: 'mroute', iif: 'a1', source: '10.0.0.0/8', group: '239.5.5.0/24', oifs: ['a2', 'wg0'] },
        ],
        PLAIN,
      ),
      text([
        '===',
        'PENDING ROUTES AND GROUPS',
        '===',
        'mgroup  from wg1 group 225.9.9.9',
        'mroute  from wg0 group 239.5.5.5 to a2',
        'mroute  from a1 source 10.0.0.0/8 group 239.5.5.0/24 to a2 wg0',
        '',
      ]),
    );
  });

  it('says that nothing is', () => {
    for (const style of [PLAIN, NONE, REVERSE]) assert.match(pendingText([], style), /^No pending.*\n\n$/);
  });

  it('prints no control characters of names', () => {
    const line = pendingText([{ kind: 'mgroup', iif: 'wg\u001b', source: null, group: '225.9.9.9', oifs: [] }], NONE);
    assert.equal(line, 'mgroup  from wg\\x1b group 225.9.9.9\n\n');
  });
});
