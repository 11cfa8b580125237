// The namespace of the tests themselves as a router: the addon works where its process is.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { LinuxKernel } from '../../src/agent/kernel/linux-kernel.js';
import { loadNative } from '../../src/agent/kernel/native.js';
import type { KernelPort } from '../../src/agent/kernel/port.js';
import { type Address, FAMILIES } from '../../src/model/address.js';
import { type Namespace, openNamespace, plainEnvironment } from './namespaces.js';
import type { PacketLink } from './packets.js';
import { TimeLimitError, WAIT_LIMIT_MS, eventually } from './wait.js';

/** Interfaces of the tests' own namespace, each with its other end, of the same name, in one host. */
export interface OwnRouter extends Disposable {
  readonly host: Namespace;
  readonly links: readonly PacketLink[];
  /** Runs an `ip` command in the tests' own namespace, such as `link set eth0 down`. */
  ip(command: string): string;
  /** Makes a link to the host; when this returns, packets of both families pass. */
  connect(interfaceName: string): Promise<void>;
}

/**
 * Opens the router; its interfaces have no addresses but link-local ones.
 *
 * @param laterNames of interfaces that `connect` makes.
 */
export async function openOwnRouter(
  interfaceNames: readonly string[],
  laterNames: readonly string[] = [],
): Promise<OwnRouter> {
  const allNames = [...interfaceNames, ...laterNames];
  const host = openNamespace('host');
  // Sources without a route would vanish without an upcall.
  for (const name of ['all', 'default']) writeFileSync(`/proc/sys/net/ipv4/conf/${name}/rp_filter`, '0');
  const router: OwnRouter = {
    host,
    links: allNames.map((name) => ({
      router: { path: '/proc/self/ns/net' },
      routerInterface: name,
      host,
      hostInterface: name,
    })),
    ip,
    connect: (name) => connectToHost(host, name),
    [Symbol.dispose]: () => {
      for (const name of allNames) if (linksNamed(name).length > 0) ip(`link delete dev ${name}`);
      host[Symbol.dispose]();
    },
  };
  try {
    for (const name of interfaceNames) await router.connect(name);
  } catch (error) {
    router[Symbol.dispose]();
    throw error;
  }
  return router;
}

/** The kernel port of a table of the tests' own namespace, of both families. Close it, or stop its engine. */
export function openOwnKernel(table: number): LinuxKernel {
  const addon = loadNative();
  // Where an agent adopts what its launcher opened, the sockets are opened here.
  const adoptMrouteSocket = (family: 4 | 6) => addon.openMrouteSocket(family, table);
  const sockets = FAMILIES.map((family) => ({ family, fd: -1 }));
  return new LinuxKernel(
    { ...addon, adoptMrouteSocket },
    { table, sockets, wantsRealtime: false, handedOver: [], keep: () => undefined },
  );
}

/**
 * Waits until the kernel has the (S,G) entry. Upcalls of a family are answered in order, so when the entry is there that
 * an upcall asks for, all those before it are answered.
 */
export async function awaitEntry(kernel: KernelPort, source: Address, group: Address): Promise<void> {
  const isAbsent = () => kernel.readCounters(group.family, [{ source, group }])[0] === undefined;
  const end = performance.now() + WAIT_LIMIT_MS;
  // The thread that answers needs no turn of ours, and needs microseconds.
  while (isAbsent()) {
    if (performance.now() >= end) throw new TimeLimitError('an entry for the marker', WAIT_LIMIT_MS);
    await nextTurn();
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Ends of a veth pair must not have the same number by chance (`linkwatch_urgent_event`). */
let lastHostIfindex = 5_000;

async function connectToHost(host: Namespace, name: string): Promise<void> {
  const index = ++lastHostIfindex;
  ip(`link add name ${name} type veth peer name ${name} index ${index} netns ${host.netns}`);
  ip(`link set dev ${name} up`);
  host.setUp(name);
  await eventually(() => (linksNamed(name)[0]?.operstate === 'UP' ? true : undefined), `${name} to be up`);
}

function linksNamed(name: string): readonly { readonly ifname: string; readonly operstate: string }[] {
  const all = JSON.parse(ip('-json link show')) as readonly { readonly ifname: string; readonly operstate: string }[];
  return all.filter((link) => link.ifname === name);
}

function ip(command: string): string {
  return execFileSync('ip', command.split(' '), { encoding: 'utf8', env: plainEnvironment() });
}
