import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { u32Attribute } from '../../src/agent/netlink/attribute.js';
import { NetlinkFormatError } from '../../src/agent/netlink/bytes.js';
import { encodePayload } from '../../src/agent/netlink/message.js';
import { NETCONF_ALL, NETCONF_DEFAULT, type Netconf } from '../../src/agent/netlink/netconf.js';
import { netconfDumpRequest, parseNetconf } from '../../src/agent/netlink/netconf.js';
import { FAMILIES, type Family } from '../../src/model/address.js';
import { message, parseRecorded, skipRecorded } from '../support/netlink.js';

const anyNetconf: fc.Arbitrary<Netconf> = fc.record(
  {
    family: fc.constantFrom<Family>(...FAMILIES),
    ifindex: fc.integer({ min: -2, max: 1000 }),
    isForwarding: fc.option(fc.boolean(), { nil: undefined }),
    rpFilter: fc.option(fc.nat(2), { nil: undefined }),
    mcForwarding: fc.option(fc.nat(100), { nil: undefined }),
  },
  { noNullPrototype: true },
);

void it('settings are read as they were written, what is not told is undefined', () => {
  fc.assert(
    fc.property(anyNetconf, (netconf) => {
      const { family, ifindex, isForwarding, rpFilter, mcForwarding } = netconf;
      const attributes = [u32Attribute(1, ifindex)];
      if (isForwarding !== undefined) attributes.push(u32Attribute(2, Number(isForwarding)));
      if (rpFilter !== undefined) attributes.push(u32Attribute(3, rpFilter));
      if (mcForwarding !== undefined) attributes.push(u32Attribute(4, mcForwarding));
      const payload = encodePayload(Uint8Array.of(family === 'ipv4' ? 2 : 10), attributes);
      assert.deepEqual(parseNetconf(message(80, payload)), { event: 'netconf', netconf });
    }),
  );
});

for (const family of FAMILIES) {
  void it(`a dump lists every interface, all and default, ${family}`, { skip: skipRecorded }, () => {
    const netconfs = parseRecorded(`netconf-dump-${family}`, parseNetconf).map(({ netconf }) => netconf);
    const expected = [1, 10, 11, 12, 20, 21, 22, 30, NETCONF_ALL, NETCONF_DEFAULT];
    assert.deepEqual(
      netconfs.map(({ ifindex }) => ifindex),
      expected,
    );
    for (const netconf of netconfs) {
      assert.equal(netconf.family, family);
      assert.equal(netconf.isForwarding, false);
      assert.equal(netconf.mcForwarding, 0);
      assert.equal(netconf.rpFilter, family === 'ipv4' ? 0 : undefined);
    }
  });
}

void it('news has what changed only', { skip: skipRecorded }, () => {
  const untold = { isForwarding: undefined, rpFilter: undefined, mcForwarding: undefined };
  assert.deepEqual(
    parseRecorded('netconf-changes', parseNetconf).map(({ netconf }) => netconf),
    [
      { ...untold, family: 'ipv4', ifindex: 10, rpFilter: 2 },
      { ...untold, family: 'ipv4', ifindex: 10, isForwarding: true },
      { ...untold, family: 'ipv6', ifindex: 11, isForwarding: true },
      { ...untold, family: 'ipv4', ifindex: 10, rpFilter: 0 },
    ],
  );
});

void it('other families are not our business, settings of nothing are refused', () => {
  // AF_MPLS
  assert.equal(parseNetconf(message(80, Uint8Array.of(28, 0, 0, 0))), undefined);
  assert.throws(() => parseNetconf(message(80, Uint8Array.of(2, 0, 0, 0))), NetlinkFormatError);
});

void it('a request has the padding that strict checking wants', () => {
  assert.deepEqual([...netconfDumpRequest('ipv4').payload], [2, 0, 0, 0]);
  assert.deepEqual([...netconfDumpRequest('ipv6').payload], [10, 0, 0, 0]);
});
