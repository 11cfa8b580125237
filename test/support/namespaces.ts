// Networks for tests: network namespaces and what is in them, made with iproute2 and gone with their owner.
import { type ChildProcess, type SpawnOptions, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

/** An interface of one end of a link, with its addresses as `ADDRESS/LENGTH`, of both families. */
export interface LinkEnd {
  readonly namespace: Namespace;
  readonly interface: string;
  readonly addresses?: readonly string[];
}

/** Makes a namespace. Its `lo` is up, rp_filter and duplicate address detection are off. */
export function openNamespace(name: string): Namespace {
  if (!existsSync(ISOLATION_MARK)) {
    throw new Error('these tests change interfaces: run them with `node scripts/run.mjs netns` or scripts/isolate.sh');
  }
  return new Namespace(name);
}

/** A network namespace. Disposing of it kills the programs in it and removes its interfaces. */
export class Namespace implements Disposable {
  /** As the test calls it. */
  readonly name: string;
  /** As `ip netns` knows it: never used twice, so that what a failed test leaves is in nobody's way. */
  readonly netns: string;

  constructor(name: string) {
    this.name = name;
    this.netns = `${name}-${process.pid}-${++opened}`;
    ip(['netns', 'add', this.netns]);
    this.ip('link set lo up');
    this.setSysctls(hasIpv6 ? { ...QUIET, ...QUIET_IPV6 } : QUIET);
  }

  /** For setns(2) and nsenter(1). */
  get path(): string {
    return `/run/netns/${this.netns}`;
  }

  /** Runs `ip` commands, such as `link set eth0 mtu 1400`, in order; the first that fails ends it with an error. */
  ip(...commands: readonly string[]): void {
    ip(['-n', this.netns, '-batch', '-'], commands.map((command) => `${command}\n`).join(''));
  }

  /** What `ip -json` prints, such as for `-d link show`. */
  ipJson(command: string): unknown {
    const text = ip(['-n', this.netns, '-json', ...command.split(' ')]);
    return text === '' ? [] : JSON.parse(text);
  }

  /** Writes sysctls: their names have slashes, as under /proc/sys, for interfaces may have dots. */
  setSysctls(values: Readonly<Record<string, number | string>>): void {
    const lines = Object.entries(values).map(([name, value]) => `echo '${value}' >'/proc/sys/${name}'`);
    this.run('sh', ['-ec', lines.join('\n')]);
  }

  /** Reads a sysctl, such as `net/ipv4/conf/eth0/mc_forwarding`. */
  sysctl(name: string): string {
    return this.run('cat', [`/proc/sys/${name}`]).trim();
  }

  /** Runs a program to its end and gives what it printed. Throws with what it said when it fails. */
  run(program: string, args: readonly string[] = [], input = ''): string {
    return execFileSync('nsenter', this.#enter(program, args), {
      encoding: 'utf8',
      env: plainEnvironment(),
      input,
      maxBuffer: OUTPUT_MAX,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  }

  /** Starts a program; its pid is that of the child, and it ends at the latest with the namespace. */
  spawn(program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return spawn('nsenter', this.#enter(program, args), options);
  }

  /** Switches an interface on; when this returns, packets pass as soon as the other end is on too. */
  setUp(interfaceName: string): void {
    this.ip(`link set dev ${interfaceName} up`);
    settle(this);
  }

  setDown(interfaceName: string): void {
    this.ip(`link set dev ${interfaceName} down`);
  }

  /** The interface must be down, or the kernel newer than 6.2. */
  rename(from: string, to: string): void {
    this.ip(`link set dev ${from} name ${to}`);
  }

  /** Deletes an interface; of a veth pair both ends go. */
  delete(interfaceName: string): void {
    this.ip(`link delete dev ${interfaceName}`);
  }

  ifindex(interfaceName: string): number {
    const [link] = this.ipJson(`link show dev ${interfaceName}`) as readonly { ifindex: number }[];
    if (link === undefined) throw new Error(`${this.name} has no interface ${interfaceName}`);
    return link.ifindex;
  }

  /** The processes that are in the namespace. */
  pids(): readonly number[] {
    return ip(['netns', 'pids', this.netns]).split('\n').filter(Boolean).map(Number);
  }

  [Symbol.dispose](): void {
    for (const pid of this.pids()) kill(pid);
    ip(['netns', 'delete', this.netns]);
  }

  #enter(program: string, args: readonly string[]): string[] {
    return [`--net=${this.path}`, '--', program, ...args];
  }
}

/** Makes a veth pair between two namespaces, both ends up. When this returns, packets of both families pass. */
export function connect(a: LinkEnd, b: LinkEnd): void {
  ip(
    `link add name ${a.interface} index ${++lastIfindex} netns ${a.namespace.netns} type veth ` +
      `peer name ${b.interface} index ${++lastIfindex} netns ${b.namespace.netns}`,
  );
  for (const end of [a, b]) {
    const usable = (end.addresses ?? []).filter((address) => hasIpv6 || !address.includes(':'));
    const addresses = usable.map((address) => addAddress(end.interface, address));
    end.namespace.ip(...addresses, `link set dev ${end.interface} up`);
  }
  settle(a.namespace);
  settle(b.namespace);
}

/** Makes a bridge of interfaces that are there already. */
export function addBridge(
  namespace: Namespace,
  name: string,
  ports: readonly string[],
  options: { readonly snooping: boolean },
): void {
  namespace.ip(
    // No delay in the states listening and learning, as there is no spanning tree.
    `link add name ${name} type bridge stp_state 0 forward_delay 0 mcast_snooping ${options.snooping ? 1 : 0}`,
    ...ports.map((port) => `link set dev ${port} master ${name}`),
    `link set dev ${name} up`,
  );
  settle(namespace);
}

/** The `ip` command that gives an interface an address, without duplicate address detection. */
function addAddress(interfaceName: string, address: string): string {
  return `address add ${address} dev ${interfaceName}${address.includes(':') ? ' nodad' : ''}`;
}

/**
 * Waits until the kernel's workers have done what follows a change of links: an interface gets its queue, without
 * which it drops what it should send, in `linkwatch_event`, and an IPv6 address becomes usable in
 * `addrconf_dad_work`, both some time after the command has returned.
 */
function settle(namespace: Namespace): void {
  for (let tries = 0; tries < SETTLE_TRIES; tries++) {
    const links = namespace.ipJson('address show') as readonly AddressJson[];
    if (!links.some(isInTransit)) return;
  }
  throw new Error(`the interfaces of ${namespace.name} do not settle`);
}

interface AddressJson {
  readonly flags: readonly string[];
  readonly operstate: string;
  readonly addr_info: readonly { readonly tentative?: boolean }[];
}

function isInTransit(link: AddressJson): boolean {
  const hasCarrier = link.flags.includes('LOWER_UP');
  const isUsable = link.operstate === 'UP' || link.operstate === 'UNKNOWN';
  return hasCarrier && (!isUsable || link.addr_info.some((address) => address.tentative === true));
}

function ip(args: string | readonly string[], input = ''): string {
  return execFileSync('ip', typeof args === 'string' ? args.split(' ') : args, {
    encoding: 'utf8',
    env: plainEnvironment(),
    input,
    maxBuffer: OUTPUT_MAX,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** The environment for tools: not with the sanitizer's library, which is for Node and makes them slow. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const environment = { ...process.env };
  delete environment['LD_PRELOAD'];
  return environment;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

let opened = 0;

/**
 * No two interfaces have the same number, as they may in different namespaces: two ends of a veth pair that do are
 * taken for no link at all by `linkwatch_urgent_event`, and become usable only a second after they are up.
 */
let lastIfindex = 100;

/** Made by scripts/isolate.sh. */
const ISOLATION_MARK = '/run/mcroute-isolated';

/** Each try is a process of `ip`, some milliseconds. */
const SETTLE_TRIES = 500;

const OUTPUT_MAX = 64 * 1024 * 1024;

const QUIET = {
  'net/ipv4/conf/all/rp_filter': 0,
  'net/ipv4/conf/default/rp_filter': 0,
  // Receivers of tests join many groups with one socket; the default is 20.
  'net/ipv4/igmp_max_memberships': 10_000,
} as const;

const QUIET_IPV6 = {
  'net/ipv6/conf/all/accept_dad': 0,
  'net/ipv6/conf/default/accept_dad': 0,
  'net/ipv6/conf/default/router_solicitations': 0,
} as const;

/** Not on a kernel that was booted with ipv6.disable=1: links have no IPv6 addresses there. */
const hasIpv6 = existsSync('/proc/net/if_inet6');
