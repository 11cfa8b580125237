// The words of mcctl's commands as changes of the API.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  parseAdd,
  parseInterface,
  parseJoin,
  parseLeave,
  parseRemove,
  parseTtlThreshold,
} from '../../src/cli/arguments.js';
import { CliError } from '../../src/cli/errors.js';

const words = (text: string) => text.split(' ').filter((word) => word !== '');

/** The text of the usage error that is thrown. */
function refusal(parse: () => unknown): string {
  let text: string | undefined;
  assert.throws(parse, (error) => {
    assert.ok(error instanceof CliError, String(error));
    assert.equal(error.code, 'USAGE');
    assert.match(error.details[0] ?? '', /^usage: mcctl /);
    text = error.message;
    return true;
  });
  return text ?? '';
}

describe('add', () => {
  it('takes IIF GROUP OIF... as a rule for any source', () => {
    assert.deepEqual(parseAdd(words('eth0 239.1.1.1 eth1 eth2')), {
      id: 1,
      addOifs: {
        key: { iif: 'eth0', source: '', group: '239.1.1.1' },
        oifs: [{ interface: 'eth1' }, { interface: 'eth2' }],
        except: [],
        deny: false,
        label: '',
      },
    });
  });

  it('takes a source between IIF and GROUP, prefixes and IPv6', () => {
    for (const [source, group] of [
      ['10.0.0.5', '239.1.1.1'],
      ['10.0.0.0/8', '239.1.0.0/16'],
      ['2001:db8::5', 'ff3e::1'],
      ['2001:db8::/32', 'ff3e::/32'],
    ]) {
      assert.deepEqual(parseAdd(words(`eth+ ${source ?? ''} ${group ?? ''} lan+`)).addOifs?.key, {
        iif: 'eth+',
        source,
        group,
      });
    }
  });

  it('takes NAME@TTL as an oif with a threshold', () => {
    assert.deepEqual(parseAdd(words('eth0 239.1.1.1 eth1@16 eth2')).addOifs?.oifs, [
      { interface: 'eth1', ttlThreshold: 16 },
      { interface: 'eth2' },
    ]);
  });

  it('puts the whole rule with except, deny, label or replace', () => {
    for (const options of [{ except: ['10.0.0.0/8'] }, { deny: true }, { label: '' }, { replace: true }]) {
      const change = parseAdd(words('eth0 239.1.1.1 eth1'), options);
      assert.equal(change.addOifs, undefined);
      const {
        except = [],
        deny = false,
        label = '',
      } = options as { except?: string[]; deny?: boolean; label?: string };
      assert.deepEqual(change.put?.mroute, {
        key: { iif: 'eth0', source: '', group: '239.1.1.1' },
        oifs: [{ interface: 'eth1' }],
        except,
        deny,
        label,
      });
    }
  });

  it('needs no oif for a rule that denies or is replaced', () => {
    assert.deepEqual(parseAdd(words('eth0 239.1.1.1'), { deny: true }).put?.mroute?.oifs, []);
    assert.deepEqual(parseAdd(words('eth0 239.1.1.1'), { replace: true }).put?.mroute?.oifs, []);
  });

  it('says what is missing', () => {
    assert.match(
      refusal(() => parseAdd([])),
      /^add: IIF and GROUP are missing/,
    );
    assert.match(
      refusal(() => parseAdd(words('eth0'))),
      /^add: GROUP is missing after 'eth0'/,
    );
    assert.match(
      refusal(() => parseAdd(words('eth0 eth1'))),
      /^add: GROUP is missing: 'eth1' is not an address/,
    );
    assert.match(
      refusal(() => parseAdd(words('eth0 239.1.1.1'))),
      /^add: OIF is missing/,
    );
    assert.match(
      refusal(() => parseAdd(words('239.1.1.1 eth0'))),
      /^add: IIF is missing: '239\.1\.1\.1' is an address/,
    );
    assert.match(
      refusal(() => parseAdd(words('eth0 239.1.1.1'), { label: 'x' })),
      /^add: OIF is missing/,
    );
  });

  it('refuses what `ip link` shows of a veth, and thresholds out of range', () => {
    for (const oif of ['eth1@if5', 'eth1@0', 'eth1@255', 'eth1@']) {
      assert.match(
        refusal(() => parseAdd(['eth0', '239.1.1.1', oif])),
        /OIF 'eth1@.*a TTL threshold, 1 to 254/,
      );
    }
  });

  it('puts every oif into the change, in order, whatever their names are', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9._-]{0,14}$/);
    fc.assert(
      fc.property(fc.array(name, { minLength: 1 }), (names) => {
        const { oifs = [] } = parseAdd(['eth0', 'ff3e::1', ...names]).addOifs ?? {};
        assert.deepEqual(
          oifs.map((oif) => oif.interface),
          names,
        );
      }),
    );
  });
});

describe('remove', () => {
  it('removes a rule that must be there', () => {
    assert.deepEqual(parseRemove(words('eth0 10.0.0.5 239.1.1.1')), {
      id: 1,
      deleteExisting: { mroute: { iif: 'eth0', source: '10.0.0.5', group: '239.1.1.1' } },
    });
  });

  it('takes oifs away, thresholds or not', () => {
    assert.deepEqual(parseRemove(words('eth0 239.1.1.1 eth1@16 eth2')), {
      id: 1,
      removeOifs: {
        key: { iif: 'eth0', source: '', group: '239.1.1.1' },
        oifs: [{ interface: 'eth1' }, { interface: 'eth2' }],
      },
    });
  });
});

describe('join and leave', () => {
  it('take INTERFACE [SOURCE] GROUP', () => {
    const key = { interface: 'eth0', source: '10.0.0.5', group: '232.1.1.1' };
    assert.deepEqual(parseJoin(words('eth0 10.0.0.5 232.1.1.1'), { label: 'x' }), {
      id: 1,
      put: { membership: { key, label: 'x' } },
    });
    assert.deepEqual(parseLeave(words('eth0 10.0.0.5 232.1.1.1')), {
      id: 1,
      deleteExisting: { membership: key },
    });
    assert.equal(parseJoin(words('eth0 239.1.1.1')).put?.membership?.key?.source, '');
  });

  it('say what is missing and what is too much', () => {
    assert.match(
      refusal(() => parseJoin([])),
      /^join: INTERFACE and GROUP are missing/,
    );
    assert.match(
      refusal(() => parseLeave(words('eth0'))),
      /^leave: GROUP is missing/,
    );
    assert.match(
      refusal(() => parseJoin(words('eth0 239.1.1.1 eth1 eth2'))),
      /^join: 'eth1 eth2' is too much/,
    );
  });
});

describe('interface', () => {
  it('sets a threshold or unsets it', () => {
    assert.deepEqual(parseInterface(['eth0'], { ttlThreshold: 16 }), {
      id: 1,
      put: { interface: { key: { name: 'eth0' }, ttlThreshold: 16 } },
    });
    assert.deepEqual(parseInterface(['eth0'], { unset: true }), {
      id: 1,
      deleteExisting: { interface: { name: 'eth0' } },
    });
  });

  it('says all that is wanted, and nothing of the rest', () => {
    const options = {
      enable: true,
      querier: true,
      mrdisc: true,
      boundary: ['239.0.0.0/8', 'ff15::1'],
      ttlThreshold: 7,
    };
    assert.deepEqual(parseInterface(['eth0'], options).put?.interface, {
      key: { name: 'eth0' },
      ttlThreshold: 7,
      enabled: true,
      querier: true,
      mrdisc: true,
      boundaries: ['239.0.0.0/8', 'ff15::1'],
    });
    const each = [
      [{ enable: true }, { enabled: true }],
      [{ disable: true }, { enabled: false }],
      [{ querier: true }, { querier: true }],
      [{ mrdisc: true }, { mrdisc: true }],
      [{ boundary: ['239.1.1.1'] }, { boundaries: ['239.1.1.1'] }],
    ] as const;
    for (const [option, settings] of each) {
      assert.deepEqual(parseInterface(['eth0'], option).put?.interface, { key: { name: 'eth0' }, ...settings });
    }
  });

  it('refuses options that exclude each other, with the usage', () => {
    assert.match(
      refusal(() => parseInterface(['eth0'], { enable: true, disable: true })),
      /--enable and --disable exclude each other/,
    );
    for (const option of [
      { disable: true },
      { enable: true },
      { querier: true },
      { mrdisc: true },
      { boundary: ['239.1.1.1'] },
    ]) {
      assert.match(
        refusal(() => parseInterface(['eth0'], { unset: true, ...option })),
        /--unset takes all settings back/,
        JSON.stringify(option),
      );
    }
  });

  it('needs a name and something that is wanted', () => {
    assert.match(
      refusal(() => parseInterface([], { unset: true })),
      /INTERFACE is missing/,
    );
    assert.match(
      refusal(() => parseInterface(['eth0'], {})),
      /^interface: nothing is said of 'eth0': say all that is wanted of it, or --unset/,
    );
    assert.match(
      refusal(() => parseInterface(['eth0', 'eth1'], { unset: true })),
      /'eth1' is too much/,
    );
    assert.match(
      refusal(() => parseInterface(['eth0'], { unset: true, ttlThreshold: 1 })),
      /exclude/,
    );
  });

  it('knows thresholds from 1 to 254 only', () => {
    for (const text of ['0', '255', '256', '-1', '1.5', '', 'x', '0x10', '1e2']) {
      assert.equal(parseTtlThreshold(text), undefined, text);
    }
    assert.equal(parseTtlThreshold('1'), 1);
    assert.equal(parseTtlThreshold('254'), 254);
  });
});
