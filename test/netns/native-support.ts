// What the tests of the native addon share: a router with hosts around it, and the addon's words in readable form.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import {
  loadNative,
  MFC_OPERATION,
  MFC_RECORD_WORDS,
  UPCALL_EVENT,
  UPCALL_EVENT_WORDS,
  type MrouteSocket,
  type NativeFamily,
  type UpcallOptions,
  type UpcallThread,
} from '../../src/agent/kernel/native.js';
import { formatAddress, parseAddress, parsePrefix } from '../../src/model/address.js';
import { type Namespace, openNamespace, plainEnvironment } from '../support/namespaces.js';
import { eventually, waitForEvent, waitForExit } from '../support/wait.js';
import type { HostOrder, HostReport } from './native-host.js';

export const native = loadNative();

/** For programs that import this module. */
export const MODULE = import.meta.url;

export const TABLE = 123;

/** The addresses of the tests, by family. Hosts and addresses are numbered. */
export const NETS = {
  4: {
    any: '0.0.0.0/0',
    groups: '239.1.0.0/16',
    hostLength: '/32',
    group: (number: number) => `239.1.1.${number}`,
    source: (host: number, number: number) => `10.0.${host}.${number}`,
    sources: (host: number) => `10.0.${host}.0/24`,
    prefixed: (address: string) => `${address}/24`,
    unicast: '10.9.9.9',
  },
  6: {
    any: '::/0',
    groups: 'ff1e::/16',
    hostLength: '/128',
    group: (number: number) => `ff1e::1:${number}`,
    source: (host: number, number: number) => `2001:db8:${host + 1}::${number}`,
    sources: (host: number) => `2001:db8:${host + 1}::/64`,
    prefixed: (address: string) => `${address}/64`,
    unicast: '2001:db8:99::9',
  },
} as const;

export const FAMILIES = [4, 6] as const satisfies readonly NativeFamily[];

// --- hosts ---

/** Interfaces of hosts are numbered from here: the ends of a veth pair must not have the same number by chance. */
const HOST_IFINDEX = 1000;

interface LinkJson {
  readonly ifname: string;
  readonly operstate: string;
}

/**
 * The namespace of the tests as a router, for the addon works where its process is. Host n is behind the interface
 * `rn`, which is vif n.
 */
export async function openRouter(hosts: number): Promise<Router> {
  // Sources without a route would vanish without an upcall.
  for (const name of ['all', 'default']) writeFileSync(`/proc/sys/net/ipv4/conf/${name}/rp_filter`, '0');
  const router = new Router(Array.from({ length: hosts }, (_, number) => new Host(number)));
  await router.settle();
  return router;
}

export class Router implements Disposable {
  readonly hosts: readonly Host[];

  constructor(hosts: readonly Host[]) {
    this.hosts = hosts;
    this.#changeMrules('add');
  }

  /** Makes the hosts' interfaces vifs, host n vif n. */
  addVifs(socket: MrouteSocket): void {
    for (const host of this.hosts) socket.addVif(host.number, native.interfaceIndex(host.routerInterface));
  }

  host(number: number): Host {
    return this.hosts[number] ?? assert.fail(`no host ${number}`);
  }

  /** An interface drops what it should send until the kernel has seen its carrier, some time after it is up. */
  async settle(): Promise<void> {
    const isUp = (links: readonly LinkJson[]) => links.every((link) => link.operstate !== 'DOWN');
    for (const host of this.hosts) {
      await eventually(() => (isUp(host.links()) ? true : undefined), `the link of host ${host.number}`);
    }
    const own = () => JSON.parse(ip('-json link show type veth')) as readonly LinkJson[];
    await eventually(() => (isUp(own()) ? true : undefined), 'the links of the router');
  }

  [Symbol.dispose](): void {
    this.#changeMrules('delete');
    for (const host of this.hosts) host[Symbol.dispose]();
  }

  #changeMrules(verb: 'add' | 'delete'): void {
    for (const host of this.hosts) {
      for (const family of FAMILIES) ip(`-${family} mrule ${verb} iif ${host.routerInterface} table ${TABLE}`);
    }
  }
}

/** A host behind a router, with the address 2 of its network in both families. */
export class Host implements Disposable {
  readonly number: number;
  readonly routerInterface: string;
  readonly #namespace: Namespace;
  readonly #child: ChildProcess;
  readonly #reports = new EventEmitter();
  readonly #received: string[] = [];

  constructor(number: number) {
    this.number = number;
    this.routerInterface = `r${number}`;
    this.#namespace = openNamespace(`host${number}`);
    const far = `peer name eth0 index ${HOST_IFINDEX + number} netns ${this.#namespace.netns}`;
    ip(`link add name ${this.routerInterface} type veth ${far}`);
    ip(`link set ${this.routerInterface} up`);
    this.#namespace.ip('link set eth0 up');
    for (const family of FAMILIES) this.addAddress(family, NETS[family].source(number, 2));
    this.#child = this.#namespace.spawn(process.execPath, [join(import.meta.dirname, 'native-host.js')], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: plainEnvironment(),
    });
    if (this.#child.stdout === null) throw new Error('a pipe was asked for');
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const report = JSON.parse(line) as HostReport;
      if (report.report === 'datagram') this.#received.push(report.text);
      this.#reports.emit(report.report);
    });
  }

  addAddress(family: NativeFamily, address: string): void {
    const nodad = family === 6 ? ' nodad' : '';
    this.#namespace.ip(`address add ${NETS[family].prefixed(address)} dev eth0${nodad}`);
  }

  links(): readonly LinkJson[] {
    return this.#namespace.ipJson('link show type veth') as readonly LinkJson[];
  }

  async send(source: string, group: string, ...texts: readonly string[]): Promise<void> {
    await this.#obey({ order: 'send', source, groups: [group], texts });
  }

  /** One datagram to each group. */
  async sendToAll(source: string, groups: readonly string[]): Promise<void> {
    await this.#obey({ order: 'send', source, groups, texts: ['to all'] });
  }

  async join(group: string): Promise<void> {
    const address = NETS[group.includes(':') ? 6 : 4].source(this.number, 2);
    await this.#obey({ order: 'join', address, group });
  }

  /** Texts of the datagrams received so far. */
  get received(): readonly string[] {
    return this.#received;
  }

  async waitForText(text: string): Promise<void> {
    if (this.#received.includes(text)) return;
    await waitForEvent(this.#reports, 'datagram', () => this.#received.includes(text));
  }

  async #obey(order: HostOrder): Promise<void> {
    const done = waitForEvent(this.#reports, 'done');
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
    await done;
  }

  [Symbol.dispose](): void {
    ip(`link delete ${this.routerInterface}`);
    this.#namespace[Symbol.dispose]();
  }
}

/** A program of another process: a module that has this one's exports. It answers each line with a line. */
export class Program implements Disposable {
  readonly child: ChildProcess;
  /** Its status, or the signal that killed it. */
  readonly exit: Promise<number | string>;
  readonly #news = new EventEmitter();
  readonly #lines: unknown[] = [];

  /** `launcher` runs it, such as `chrt`; `fd` becomes its descriptor 3. */
  constructor(body: string, options: { readonly launcher?: readonly string[]; readonly fd?: number } = {}) {
    const source = `
      import { createInterface } from 'node:readline';
      import * as support from ${JSON.stringify(MODULE)};
      const { native, TABLE } = support;
      const say = (value) => { process.stdout.write(JSON.stringify(value) + '\\n'); };
      ${body}`;
    const words = [...(options.launcher ?? []), process.execPath, '--input-type=module', '--eval', source];
    this.child = spawn('env', words, { stdio: ['pipe', 'pipe', 'inherit', options.fd ?? 'ignore'] });
    this.exit = waitForExit(this.child);
    if (this.child.stdout === null) throw new Error('a pipe was asked for');
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.#lines.push(JSON.parse(line));
      this.#news.emit('line');
    });
    this.child.on('close', () => this.#news.emit('line'));
  }

  /** The oldest line that was not taken. */
  async line(): Promise<unknown> {
    if (this.#lines.length === 0) await waitForEvent(this.#news, 'line');
    assert.ok(this.#lines.length > 0, 'the program ended without a line');
    return this.#lines.shift();
  }

  async ask(): Promise<unknown> {
    this.child.stdin?.write('\n');
    return this.line();
  }

  [Symbol.dispose](): void {
    this.child.kill('SIGKILL');
  }
}

/** An interface to make news of. */
export function addLink(name: string): Disposable & { change: (times: number) => void } {
  ip(`link add name ${name} type veth`);
  return {
    change: (times) => {
      const commands = Array.from({ length: times }, (_, number) => `link set ${name} mtu ${1000 + (number % 100)}\n`);
      ip('-batch -', commands.join(''));
    },
    [Symbol.dispose]: () => {
      ip(`link delete ${name}`);
    },
  };
}

function ip(words: string, input = ''): string {
  return execFileSync('ip', words.split(' '), {
    encoding: 'utf8',
    env: plainEnvironment(),
    input,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** The table of the tests, owned for a scope. */
export function openTable(family: NativeFamily, { isAsFound = false } = {}): MrouteSocket & Disposable {
  const socket = native.openMrouteSocket(family, TABLE);
  // The table remembers it beyond its owners (`mroute_do_pim` of struct mr_table).
  if (!isAsFound) socket.setWrongVifUpcalls(false);
  return Object.assign(socket, {
    [Symbol.dispose]: () => {
      socket.close();
    },
  });
}

// --- words ---

/** TTL thresholds by vif number. */
export type Oifs = Readonly<Record<number, number>>;

export function addressWords(address: string): readonly number[] {
  const { words } = parseAddress(address);
  return [...words, 0, 0, 0].slice(0, 4);
}

function ttlWords(oifs: Oifs): readonly number[] {
  const ttls = new Uint8Array(32);
  for (const [vif, ttl] of Object.entries(oifs)) ttls[Number(vif)] = ttl;
  const view = new DataView(ttls.buffer);
  return Array.from({ length: 8 }, (_, word) => view.getUint32(word * 4, true));
}

export function mfcRecord(
  operation: keyof typeof MFC_OPERATION,
  source: string,
  group: string,
  parent = 0,
  oifs: Oifs = {},
): readonly number[] {
  const record = [MFC_OPERATION[operation], parent, ...addressWords(source), ...addressWords(group), ...ttlWords(oifs)];
  assert.equal(record.length, MFC_RECORD_WORDS);
  return record;
}

export function flowKey(source: string, group: string): readonly number[] {
  return [...addressWords(source), ...addressWords(group)];
}

export interface TestRule {
  readonly iif: number;
  readonly oifs?: Oifs;
  readonly deny?: boolean;
  /** A prefix; any source if it is not given. */
  readonly source?: string;
  readonly except?: readonly string[];
}

/** A record of `setRules`. */
export function groupRecord(
  group: string,
  rules: readonly TestRule[],
  upcallIifs = 0xffff_ffff,
  barredVifs = 0,
): readonly number[] {
  const isIpv6 = group.includes(':');
  const words = [...prefixWords(group), upcallIifs, barredVifs, rules.length];
  for (const rule of rules) {
    const except = rule.except ?? [];
    words.push(rule.iif, rule.deny === true ? 1 : 0, ...prefixWords(rule.source ?? NETS[isIpv6 ? 6 : 4].any));
    words.push(...ttlWords(rule.oifs ?? {}), except.length, ...except.flatMap(prefixWords));
  }
  return words;
}

function prefixWords(text: string): readonly number[] {
  const { address, length } = parsePrefix(text);
  return [length, ...[...address.words, 0, 0, 0].slice(0, 4)];
}

/** An upcall event as a test wants to read it. */
export interface ReadEvent {
  readonly kind: keyof typeof UPCALL_EVENT;
  readonly family: NativeFamily;
  readonly source: string;
  readonly group: string;
  readonly parent: number;
  readonly arrival: number;
  readonly oifs: Oifs;
}

export function readEvents(words: Uint32Array): readonly ReadEvent[] {
  const events: ReadEvent[] = [];
  for (let at = 0; at < words.length; at += UPCALL_EVENT_WORDS) {
    events.push(readEvent(words.subarray(at, at + UPCALL_EVENT_WORDS)));
  }
  return events;
}

function readEvent(words: Uint32Array): ReadEvent {
  const word = (at: number): number => words[at] ?? assert.fail('an event is too short');
  const kinds = Object.keys(UPCALL_EVENT) as (keyof typeof UPCALL_EVENT)[];
  const family = word(1) === 4 ? 4 : 6;
  const oifs: Record<number, number> = {};
  for (let vif = 0; vif < 32; vif += 1) {
    const ttl = (word(12 + (vif >> 2)) >>> ((vif & 3) * 8)) & 0xff;
    if (ttl !== 0) oifs[vif] = ttl;
  }
  return {
    kind: kinds.find((kind) => UPCALL_EVENT[kind] === word(0)) ?? assert.fail(`event ${word(0)}`),
    family,
    source: addressText(family, words.subarray(2, 6)),
    group: addressText(family, words.subarray(6, 10)),
    parent: word(10),
    arrival: word(11),
    oifs,
  };
}

export function addressText(family: NativeFamily, words: Uint32Array): string {
  return formatAddress(
    family === 4 ? { family: 'ipv4', words: [...words.subarray(0, 1)] } : { family: 'ipv6', words: [...words] },
  );
}

// --- the upcall thread ---

export const OPTIONS: UpcallOptions = { unmatchedLimit: 100, learnedLimit: 100, ringLimit: 100, realtime: false };

/** Of the thread; it reads from the beginning unless `isStarted` is false. */
export interface ResponderOptions extends Partial<UpcallOptions> {
  readonly isStarted?: boolean;
}

/** An upcall thread whose events are collected as they come. */
export class Responder implements Disposable {
  readonly thread: UpcallThread;
  readonly events: ReadEvent[] = [];
  readonly #family: NativeFamily;
  readonly #news = new EventEmitter();

  constructor(socket: MrouteSocket, { isStarted = true, ...options }: ResponderOptions = {}) {
    this.#family = socket.family;
    this.thread = native.startUpcallThread([socket], { ...OPTIONS, ...options }, () => {
      this.events.push(...readEvents(this.thread.drain()));
      this.#news.emit('events');
    });
    if (isStarted) this.thread.start();
  }

  setRules(...records: readonly (readonly number[])[]): void {
    this.thread.setRules(this.#family, Uint32Array.from(records.flat()));
  }

  /** The n-th event. */
  async event(number: number): Promise<ReadEvent> {
    if (this.events.length <= number) {
      await waitForEvent(this.#news, 'events', () => this.events.length > number);
    }
    return this.events[number] ?? assert.fail('an event was promised');
  }

  [Symbol.dispose](): void {
    this.thread.stop();
  }
}
