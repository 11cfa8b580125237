import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import {
  type Sighting,
  type StreamCount,
  type Takeover,
  countArrival,
  problemsOf,
  takeoverOf,
} from '../demo/counts.js';
import { CONFIGURATION, PACKETS, type Stream, UNPLUGGED_OIF, commandsFor, planStreams } from '../demo/scenario.js';
import {
  WIDTH,
  palette,
  renderEvent,
  renderLegend,
  renderProgress,
  renderTable,
  renderTakeover,
  renderTitle,
  renderVerdict,
} from '../demo/view.js';

const PLAIN = palette(false);
const COLOURED = palette(true);

const streams = planStreams(['ipv4', 'ipv6'], (sender, family) =>
  family === 'ipv4' ? `10.0.${sender}.2` : `2001:db8:100${sender}::2`,
);

/** Every stream with that many packets sent, all of which arrived; changed for the streams that `except` picks. */
function counted(sent: number, except: (stream: Stream) => Partial<Sighting> = () => ({})): StreamCount[] {
  return streams.map((stream) => ({
    stream,
    sent,
    arrivals: stream.oifs.map((oif) => countArrival(oif, [{ ...sighting(sent), ...except(stream) }], sent)),
  }));
}

function sighting(received: number): Sighting {
  return { received, duplicated: 0, first: 0, last: received - 1, socketDrops: 0 };
}

function isVictim(stream: Stream): boolean {
  return stream.table === 124 && stream.family === 'ipv6' && stream.kind === '(*,G)';
}

const CHANGE = { table: 123, name: 'studio', before: 60, after: 131, tookMs: 640 };
const TAKEOVER: Takeover = { ...CHANGE, arrived: 2_412, lost: 0 };

describe('the configuration of the demo', () => {
  it('is the two tables with their names', () => {
    assert.equal(CONFIGURATION, 'tables:\n  - id: 123\n    name: studio\n  - id: 124\n    name: edit\n');
  });
});

describe('the streams of the demo', () => {
  it('are an (S,G) and an exact (*,G) rule of each family and one prefix rule in each table', () => {
    const kinds = (table: number) =>
      streams.flatMap(({ isUnplugged, ...stream }) =>
        stream.table === table && !isUnplugged ? [`${stream.family} ${stream.kind}`] : [],
      );
    const exact = ['ipv4 (S,G)', 'ipv4 (*,G)', 'ipv6 (S,G)', 'ipv6 (*,G)'];
    assert.deepEqual(kinds(123), [...exact, 'ipv4 prefix']);
    assert.deepEqual(kinds(124), [...exact, 'ipv6 prefix']);
  });

  it('have a port each, and no IPv6 where there is none', () => {
    assert.equal(new Set(streams.map(({ port }) => port)).size, streams.length);
    const alone = planStreams(['ipv4'], () => '10.0.0.2');
    assert.deepEqual([...new Set(alone.map(({ family }) => family))], ['ipv4']);
    assert.equal(alone.filter(({ kind }) => kind === 'prefix').length, 2);
  });

  it('are told to mcctl as a person would', () => {
    assert.deepEqual(
      commandsFor(streams).flatMap(({ table, words }) => (table === 123 ? [words.join(' ')] : [])),
      [
        'join in0 10.0.0.2 232.1.1.1',
        'join in0 239.1.1.2',
        'join in0 2001:db8:1000::2 ff3e::1',
        'join in0 ff1e::2',
        'add in0 10.0.0.2 232.1.1.1 out1 out2',
        'add in0 239.1.1.2 out1 out2',
        'add in0 2001:db8:1000::2 ff3e::1 out1 out2',
        'add in0 ff1e::2 out1 out2',
        'add in0 239.10.0.0/16 out1 out2',
        'add in0 10.0.0.2 232.1.1.9 out3',
      ],
    );
    assert.ok(commandsFor(streams).some(({ words }) => words.join(' ') === 'add in1 ff1e:10::/32 out1 out2'));
  });
});

describe('counting what arrived', () => {
  it('takes what later packets have passed for lost while the stream runs', () => {
    const seen = { received: 95, duplicated: 0, first: 3, last: 99, socketDrops: 0 };
    const { received, lost, firstLost } = countArrival('out1', [seen]);
    assert.deepEqual({ received, lost, firstLost }, { received: 95, lost: 5, firstLost: 3 });
  });

  it('takes all that did not come for lost in the end', () => {
    assert.equal(countArrival('out1', [sighting(90)]).lost, 0);
    assert.equal(countArrival('out1', [sighting(90)], 100).lost, 10);
    const nothing = countArrival('out1', [{ ...sighting(0), first: -1 }], 100);
    assert.deepEqual([nothing.received, nothing.lost, nothing.firstLost], [0, 100, 100]);
  });

  it('unites what sockets saw before and after an interface was away', () => {
    const after = { received: 40, duplicated: 1, first: 60, last: 99, socketDrops: 2 };
    assert.deepEqual(countArrival('out3', [sighting(30), after], 100), {
      oif: 'out3',
      received: 70,
      lost: 30,
      firstLost: 0,
      duplicated: 1,
      socketDrops: 2,
    });
  });
});

describe('the table', () => {
  const lines = renderTable(counted(PACKETS), PLAIN);
  const [titles = '', ...rows] = lines.filter((line) => line.startsWith('  '));

  it('has a heading for each table and a row for each stream', () => {
    assert.deepEqual(
      lines.filter((line) => !line.startsWith('  ')),
      ['table 123', 'table 124'],
    );
    assert.equal(rows.length, streams.length);
  });

  it('has columns that line up, also while the numbers grow', () => {
    for (const line of [titles, ...rows]) assert.equal(line.length, titles.length, line);
    for (const title of ['SOURCE', 'GROUP', 'ROUTE', 'IIF -> OIFS']) {
      const start = titles.indexOf(title);
      for (const row of rows) assert.match(row.slice(start - 2, start + 1), /^ {2}\S$/, title);
    }
    for (const title of ['SENT', 'LOST', 'FIRST']) {
      const end = titles.indexOf(title) + title.length;
      for (const row of rows) assert.match(`${row} `.slice(end - 1, end + 1), /^\d $/, title);
    }
    assert.equal(renderTable(counted(0), PLAIN)[0], titles);
    assert.equal(renderTable(counted(99_999), PLAIN)[0], titles);
  });

  it('fits the screen, with everything lost too', () => {
    const lost = renderTable(
      counted(PACKETS, () => ({ received: 0, first: -1, last: -1 })),
      PLAIN,
    );
    const others = [
      renderTitle(8_000, 8_000, PLAIN),
      renderLegend(PLAIN),
      renderProgress(counted(PACKETS), 8_000),
      ...renderVerdict(
        counted(PACKETS),
        Array.from({ length: 4 }, () => TAKEOVER),
        [],
        PLAIN,
      ),
    ];
    for (const line of [...lines, ...lost, ...others]) assert.ok(line.length <= WIDTH, line);
  });

  it('counts behind each interface, and the losses of all of them together', () => {
    const counts = counted(100, (stream) => (isVictim(stream) ? { received: 93, first: 4 } : {}));
    const row = renderTable(counts, PLAIN).find((line) => line.includes('2001:db8:1001::2') && line.includes('(*,G)'));
    assert.match(row ?? '', / in1 -> out1 out2 +100 +93 +93 +14 +8$/);
  });

  it('shows no number where a stream does not go', () => {
    const row = rows.find((line) => line.includes(`in0 -> ${UNPLUGGED_OIF} `));
    assert.match(row ?? '', new RegExp(`in0 -> ${UNPLUGGED_OIF} +${PACKETS} +${PACKETS} +0 +0$`));
    assert.match(titles, /OUT1 +OUT2 +OUT3/);
    assert.equal((row ?? '').lastIndexOf(String(PACKETS)) + 4, titles.indexOf('OUT3') + 4);
  });
});

describe('a takeover', () => {
  it('is told with both processes, how long it took, and what came meanwhile', () => {
    assert.equal(
      renderTakeover(TAKEOVER, PLAIN),
      'table 123 (studio): agent 60 -> 131 after 0.6 s; meanwhile 2412 arrived, 0 lost',
    );
    assert.ok(renderTakeover(TAKEOVER, COLOURED).endsWith('\u001b[32m0 lost\u001b[0m'));
    assert.ok(renderTakeover({ ...TAKEOVER, lost: 3 }, COLOURED).endsWith('\u001b[31m3 lost\u001b[0m'));
  });

  it('counts what came, and what was lost, of its own table where nothing may be', () => {
    const after = counted(150, ({ table, isUnplugged, kind }) =>
      table === 124 ? { received: 0 } : isUnplugged || kind === 'prefix' ? { received: 120 } : { received: 149 },
    );
    // Four streams behind two interfaces each.
    assert.deepEqual(takeoverOf(CHANGE, counted(100), after), { ...CHANGE, arrived: 8 * 49, lost: 8 });
    assert.deepEqual(takeoverOf(CHANGE, after, after), { ...CHANGE, arrived: 0, lost: 0 });
  });
});

describe('colours', () => {
  const counts = counted(100, (stream) => (isVictim(stream) ? { received: 93 } : {}));

  it('are off when asked', () => {
    const text = [
      ...renderTable(counts, PLAIN),
      renderTitle(4_000, 8_000, PLAIN),
      ...renderVerdict(counts, [TAKEOVER], problemsOf(counts), PLAIN),
      renderTakeover(TAKEOVER, PLAIN),
      renderEvent(123, '~ route (10.0.0.2, 232.1.1.9) in0 -> out3: pending (out3)', PLAIN),
    ].join('\n');
    assert.ok(!text.includes('\u001b'));
  });

  it('change nothing but the colour', () => {
    assert.deepEqual(renderTable(counts, COLOURED).map(stripVTControlCharacters), renderTable(counts, PLAIN));
    const event = '~ route (10.0.0.2, 232.1.1.9) in0 -> out3: pending (out3)';
    assert.equal(stripVTControlCharacters(renderEvent(123, event, COLOURED)), `watch 123  ${event}`);
  });

  it('tell a loss that must not be from one that must', () => {
    const unplugged = counted(100, (stream) => (stream.isUnplugged ? { received: 60 } : {}));
    assert.ok(!renderTable(unplugged, COLOURED).join('').includes('\u001b[31m'));
    assert.match(renderTable(unplugged, COLOURED).join(''), /\u001b\[33m +40\u001b\[0m/);
    assert.match(renderTable(counts, COLOURED).join(''), /\u001b\[31m +14\u001b\[0m/);
  });
});

describe('the verdict', () => {
  it('is good when nothing was lost of what nobody touched', () => {
    const counts = counted(100, ({ isUnplugged, kind }) =>
      isUnplugged || kind === 'prefix' ? { received: 60, first: 40, last: 99 } : {},
    );
    assert.deepEqual(problemsOf(counts), []);
    const takeovers = [TAKEOVER, { ...TAKEOVER, tookMs: 1_130, arrived: 88 }];
    assert.deepEqual(renderVerdict(counts, takeovers, [], PLAIN), [
      '0 of 1600 packets lost, 0 doubled on the 8 untouched (S,G) and exact (*,G) streams',
      '2 times another agent took over, after 0.6 to 1.1 s; 2500 of these packets came meanwhile',
      '160 lost on the 2 streams of prefix routes, which are learned with the first packet',
      '40 lost on the stream to out3 while that interface was away',
    ]);
  });

  it('names each loss', () => {
    const counts = counted(100, (stream) => (isVictim(stream) ? { received: 93, socketDrops: 7 } : {}));
    const name = 'table 124 (*,G) 2001:db8:1001::2 ff1e::2';
    const problems = ['out1', 'out2'].map(
      (oif) => `${name} at ${oif}: 7 of 100 lost, 7 of them by the receiver's own full socket`,
    );
    assert.deepEqual(problemsOf(counts), problems);
    assert.match(renderVerdict(counts, [], problems, PLAIN).join('\n'), /^14 of 1600 packets lost, .*\n {2}table 124/);
  });

  it('is bad when packets came twice or were never sent', () => {
    const twice = counted(100, (stream) => (isVictim(stream) ? { duplicated: 1 } : {}));
    assert.match(problemsOf(twice)[0] ?? '', /out1: 1 arrived twice$/);
    assert.match(renderVerdict(twice, [], problemsOf(twice), PLAIN)[0] ?? '', /^0 of 1600 packets lost, 2 doubled /);
    assert.equal(problemsOf(counted(0)).length, 8);
  });
});
