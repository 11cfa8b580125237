// The real kernel keeps the contract that the core relies on, and the fake one in test/unit.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Address, formatAddress, parseAddress } from '../../src/model/address.js';
import { MRULE_PROTOCOL, type Mrule } from '../../src/model/mrule.js';
import { TEST_TABLE } from '../support/fib-turns.js';
import { installTree } from '../support/install-tree.js';
import { BENCH_INTERFACES, type KernelBench } from '../support/kernel-bench.js';
import { describeKernelContract } from '../support/kernel-contract.js';
import { plainEnvironment } from '../support/namespaces.js';
import { awaitEntry, openOwnKernel, openOwnRouter } from '../support/own-router.js';
import { openPackets } from '../support/packets.js';

/** Where a packet arrives that makes the last upcall of those that are waited for. */
const MARKER = { interface: 'mark0', vif: 20 } as const;

const INTRUDER = join(installTree(), 'test/support/mroute-intruder.py');

async function openBench(): Promise<KernelBench> {
  const router = await openOwnRouter([...BENCH_INTERFACES, MARKER.interface], ['extra0', 'new0', 'other0']);
  const packets = await openPackets(router.links);
  const kernel = openOwnKernel(TEST_TABLE);
  kernel.answerUpcalls();
  let markers = 0;

  const openMarker = (family: Address['family']) => {
    const link = kernel.listLinks().find(({ name }) => name === MARKER.interface);
    if (link === undefined) throw new Error(`there is no ${MARKER.interface}`);
    const rule: Mrule = {
      family,
      direction: 'iif',
      interface: MARKER.interface,
      table: TEST_TABLE,
      priority: 4_000,
      protocol: MRULE_PROTOCOL,
    };
    // Both may be there since the last packet.
    kernel.apply([
      { op: 'add-vif', family, vif: MARKER.vif, ifindex: link.ifindex },
      { op: 'add-mrule', rule },
    ]);
  };

  return {
    kernel,
    send: async (iif, source, group, ttl = 64) => {
      openMarker(group.family);
      const isIpv4 = group.family === 'ipv4';
      const number = ++markers;
      const marker = {
        source: parseAddress(isIpv4 ? `10.9.9.${number}` : `2001:db8:9::${number}`),
        group: parseAddress(isIpv4 ? '239.9.9.9' : 'ff1e:9::9'),
      };
      const packet = { id: 0, iif, source: formatAddress(source), group: formatAddress(group), ttl };
      const last = {
        id: 1,
        iif: MARKER.interface,
        source: formatAddress(marker.source),
        group: formatAddress(marker.group),
      };
      const left = await packets.exchange([packet, last], {
        answered: () => awaitEntry(kernel, marker.source, marker.group),
      });
      return left.get(0) ?? [];
    },
    addLink: (name) => router.connect(name),
    removeLink: (name) => {
      router.ip(`link delete dev ${name}`);
    },
    renameLink: (from, to) => {
      router.ip(`link set dev ${from} name ${to}`);
    },
    setDown: (name) => {
      router.ip(`link set dev ${name} down`);
    },
    setRpFilter: (name, value) => {
      writeFileSync(`/proc/sys/net/ipv4/conf/${name}/rp_filter`, String(value));
    },
    isJoined: (ifindex, group) => {
      const all = JSON.parse(router.ip('-json maddress show')) as readonly MaddressJson[];
      const addresses = all.filter((each) => each.ifindex === ifindex).flatMap(({ maddr }) => maddr);
      return addresses.some(({ address }) => address === formatAddress(group));
    },
    addMrule: (rule) => {
      router.ip(mruleCommand('add', rule));
    },
    deleteMrule: (rule) => {
      router.ip(mruleCommand('delete', rule));
    },
    deleteMfc: (source, group, iif) => {
      const any = group.family === 'ipv4' ? '0.0.0.0' : '::';
      const flow = [source === undefined ? any : formatAddress(source), formatAddress(group)];
      execFileSync('python3', [INTRUDER, String(TEST_TABLE), 'delete', ...flow, String(iif)], {
        env: plainEnvironment(),
      });
    },
    [Symbol.dispose]: () => {
      for (const rule of kernel.listMrules().filter(({ protocol }) => protocol === MRULE_PROTOCOL)) {
        kernel.apply([{ op: 'delete-mrule', rule }]);
      }
      kernel.close();
      packets[Symbol.dispose]();
      router[Symbol.dispose]();
    },
  };
}

interface MaddressJson {
  readonly ifindex: number;
  readonly maddr: readonly { readonly address?: string }[];
}

function mruleCommand(verb: 'add' | 'delete', rule: Mrule): string {
  const family = rule.family === 'ipv4' ? '' : '-6 ';
  return `${family}mrule ${verb} pref ${rule.priority} ${rule.direction} ${rule.interface} table ${rule.table}`;
}

describeKernelContract('the real kernel', openBench);
