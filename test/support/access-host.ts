// A host as others reach it: a namespace with a supervisor, its agents and its gateway, linked to the namespace of the test,
// which is the place of the controllers.
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAddress } from '../../src/model/address.js';
import { IPV4, IPV6 } from '../e2e/families.js';
import { kernelEntries } from '../e2e/kernel-entries.js';
import { type Issued, issue } from './certificates.js';
import type { AuditLine } from './gateway.js';
import { KeptSupervisor } from './kept-supervisor.js';
import { TARGET_ID, isRootless } from './launcher.js';
import { type Namespace, openNamespace, plainEnvironment } from './namespaces.js';
import { eventually } from './wait.js';

export interface AccessHostOptions {
  readonly name: string;
  /** 1 to 99; no two hosts of a test have the same. */
  readonly number: number;
  /** By which family it is called. */
  readonly family: 'ipv4' | 'ipv6';
  readonly tables: readonly number[];
  /** Text of policy.yaml; undefined: there is none. */
  readonly policy?: string;
  /** Who clients' certificates are signed by, and what is revoked. */
  readonly ca: Issued;
  readonly crl?: string;
  /** More of gateway.yaml, such as `limits: { ... }`. */
  readonly more?: string;
}

/** Where a host listens for controllers. */
const PORT = 7790;

/** Longest time in which a gateway starts, on a loaded machine. */
const START_LIMIT_MS = 30_000;

/** Starts a host; its tables and its gateway serve when this resolves. */
export async function startAccessHost(options: AccessHostOptions): Promise<AccessHost> {
  const namespace = openNamespace(options.name);
  let host: AccessHost | undefined;
  try {
    const address = link(namespace, options);
    host = new AccessHost(namespace, address, options);
    const { certificate, key } = await serverCertificate(options.ca, address);
    host.write('server.crt', certificate);
    host.write('server.key', key);
    host.write('clients.crt', options.ca.certificate);
    if (options.crl !== undefined) host.write('clients.crl', options.crl);
    if (options.policy !== undefined) host.write('policy.yaml', options.policy);
    for (const table of options.tables) host.write(`${table}.conf`, '');
    await host.supervisor.start(...options.tables);
    await host.untilGatewayServes();
    return host;
  } catch (error) {
    if (host === undefined) namespace[Symbol.dispose]();
    else host[Symbol.dispose]();
    throw error;
  }
}

/** A certificate of a gateway that is called by its address. */
export function serverCertificate(ca: Issued, address: string, subject = 'CN=gateway'): Promise<Issued> {
  const value = Buffer.from(
    parseAddress(address).words.flatMap((word) => [24, 16, 8, 0].map((shift) => word >>> shift)),
  );
  return issue({ subject, issuer: ca, usage: 'server', names: [{ kind: 'ip', value }] });
}

/** Disposing of it ends its programs and removes what they had. */
export class AccessHost implements Disposable {
  readonly namespace: Namespace;
  readonly address: string;
  /** As a target of gRPC, such as `192.0.2.1:7790`. */
  readonly target: string;
  readonly supervisor: KeptSupervisor;
  /** Folder of the gateway's files. */
  readonly root: string;

  constructor(namespace: Namespace, address: string, { tables, policy, crl, more = '' }: AccessHostOptions) {
    this.namespace = namespace;
    this.address = address;
    this.target = `${address.includes(':') ? `[${address}]` : address}:${PORT}`;
    this.root = `/run/access-${namespace.netns}`;
    mkdirSync(this.root);
    giveAway(this.root, 0o755);
    const files = ['certificate: server.crt', 'key: server.key', 'client-ca: clients.crt'];
    if (crl !== undefined) files.push('crl: clients.crl');
    const tls = files.map((line) => line.replace(': ', `: ${this.root}/`)).join(', ');
    const lines = [
      `listen: [{ tcp: "${this.target}" }, { unix: ${this.socketPath} }]`,
      `tls: { ${tls} }`,
      `audit: { file: ${this.#auditFile} }`,
      ...(policy === undefined ? [] : [`policy: ${this.root}/policy.yaml`]),
      more,
    ];
    this.write('gateway.yaml', lines.join('\n'));
    const user = isRootless ? '' : ', user: nobody';
    const definitions = tables.map((id) => `{ id: ${id}, config: ${this.root}/${id}.conf }`);
    this.supervisor = new KeptSupervisor(
      namespace,
      `tables: [${definitions.join(', ')}]\ngateway: { config: ${this.root}/gateway.yaml${user} }\n`,
    );
  }

  /** Of the gateway. */
  get socketPath(): string {
    return join(this.root, 'gateway.sock');
  }

  get #auditFile(): string {
    return join(this.root, 'audit.log');
  }

  /** Lines of the audit file so far. */
  get audit(): readonly AuditLine[] {
    if (!existsSync(this.#auditFile)) return [];
    const lines = readFileSync(this.#auditFile, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as AuditLine);
  }

  /** Waits until the supervisor says that its gateway serves. */
  async untilGatewayServes(): Promise<void> {
    const { keeper } = this.supervisor;
    const probe = () => {
      keeper.read();
      return (
        keeper.said.findLast((line) => line.startsWith('STATUS='))?.includes('gateway ready') === true || undefined
      );
    };
    try {
      await eventually(probe, 'the gateway', START_LIMIT_MS);
    } catch (error) {
      throw new Error(`the log is:\n${this.supervisor.log}`, { cause: error });
    }
  }

  /** Writes a file of the gateway. */
  write(name: string, text: string): void {
    const path = join(this.root, name);
    writeFileSync(path, text);
    giveAway(path, name.endsWith('.key') ? 0o600 : 0o644);
  }

  /** Waits for a line of the audit after the first `from` ones. */
  async audited(accepts: (line: AuditLine) => boolean, from = 0): Promise<AuditLine> {
    try {
      return await eventually(() => this.audit.slice(from).find(accepts), 'a line of the audit');
    } catch (error) {
      const lines = this.audit.slice(from).map((line) => JSON.stringify(line));
      throw new Error(`the audit has:\n${lines.join('\n')}`, { cause: error });
    }
  }

  /** What the kernel forwards of a table, of both families, as `(S, G) iif -> oif`. */
  forwards(table: number): readonly string[] {
    return [IPV4, IPV6].flatMap((family) => kernelEntries(this.namespace, family, table));
  }

  [Symbol.dispose](): void {
    this.supervisor[Symbol.dispose]();
    this.namespace[Symbol.dispose]();
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Links the host to the test's own namespace, and gives it `in0` and `out1`. Gives its address there. */
function link(namespace: Namespace, { number, family }: AccessHostOptions): string {
  const outer = `host${number}`;
  const [net, rest] = family === 'ipv4' ? [`192.0.${number}.`, '/24'] : [`2001:db8:${number}::`, '/64 nodad'];
  namespace.ip(
    `link add name up0 index ${9_000 + number} type veth peer name ${outer} index ${9_100 + number} netns ${process.pid}`,
    `address add dev up0 ${net}1${rest}`,
    'link set dev up0 up',
    // Nobody is at their other ends: what the kernel has is enough here.
    ...['in0', 'out1'].flatMap((name, end) => [
      `link add name ${name} index ${9_200 + end} type veth peer name ${name}-far index ${9_300 + end}`,
      `link set dev ${name} up`,
      `link set dev ${name}-far up`,
    ]),
  );
  local(`address add dev ${outer} ${net}2${rest}`);
  local(`link set dev ${outer} up`);
  return `${net}1`;
}

/** Runs `ip` in the namespace of the test. */
function local(command: string): void {
  execFileSync('ip', command.split(' '), { env: plainEnvironment() });
}

function giveAway(path: string, mode: number): void {
  chmodSync(path, mode);
  if (!isRootless) chownSync(path, TARGET_ID, TARGET_ID);
}
