// The gateway's configuration file: where it listens, with which certificates, and what callers may use.
import { isIP } from 'node:net';
import { join } from 'node:path';
import { quote } from '../api/parse.js';
import type { NumberRule } from '../configuration/number-rule.js';
import { TOO_LARGE, readConfigurationText } from '../configuration/read-text.js';
import { type Section, type Value, YamlReader } from '../configuration/yaml-reader.js';
import { GATEWAY_SOCKET } from '../model/gateway.js';
import { CONFIGURATION_MAX } from '../model/limits.js';
import { IDENTITY_SOURCES, type IdentitySource } from './identity.js';

/** Where the gateway listens. */
export type ListenerConfiguration =
  | { readonly kind: 'unix'; readonly path: string; readonly mode: number }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly isPlaintext: boolean };

export interface TlsConfiguration {
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string;
  readonly crl: string | undefined;
  /** The first that a certificate has is its identity. */
  readonly identity: readonly IdentitySource[];
}

export interface LimitsConfiguration {
  /** Connections with an identity. */
  readonly connections: number;
  /** Of one address; 0: any number. */
  readonly connectionsPerAddress: number;
  /** Calls of one identity at once; 0: any number. */
  readonly streamsPerIdentity: number;
  /** Of one identity, in the long run; 0: any number. */
  readonly writesPerSecond: number;
  /** Writes that may come at once after a while without any. */
  readonly writeBurst: number;
  /** Resources that one owner may have; 0: any number. */
  readonly resourcesPerOwner: number;
}

export interface GatewayConfiguration {
  readonly listeners: readonly ListenerConfiguration[];
  readonly tls: TlsConfiguration | undefined;
  /** Undefined: the built-in policy. */
  readonly policy: string | undefined;
  readonly audit: { readonly file: string | undefined; readonly maxSize: number; readonly files: number };
  readonly limits: LimitsConfiguration;
}

/** What a file leaves out. */
export interface ConfigurationDefaults {
  readonly runtimeDirectory: string;
  /** Where the audit file is, if no other is named. */
  readonly logsDirectory: string;
}

/**
 * Reads a configuration file.
 *
 * @throws ConfigurationError if it cannot be read or used.
 */
export function readConfiguration(file: string, defaults: ConfigurationDefaults): GatewayConfiguration {
  return parseConfiguration(readConfigurationText(file), file, defaults);
}

/**
 * Parses the text of a configuration file; `file` is its name in messages. An empty one has the defaults.
 *
 * @throws ConfigurationError with all that is wrong.
 */
export function parseConfiguration(text: string, file: string, defaults: ConfigurationDefaults): GatewayConfiguration {
  const reader = new YamlReader(file);
  if (Buffer.byteLength(text) > CONFIGURATION_MAX) reader.refuseAll(TOO_LARGE);
  const node = reader.parse(text);
  const top = node && reader.section(node, 'the file', ['listen', 'tls', 'policy', 'audit', 'limits']);
  const value = (key: string) => top?.values.get(key);
  const tls = readTls(reader, value('tls'));
  const configuration: GatewayConfiguration = {
    listeners: readListeners(reader, value('listen'), defaults, value('tls') !== undefined),
    tls,
    policy: reader.text(value('policy'), 'policy', complaintAboutPath),
    audit: readAudit(reader, value('audit'), defaults),
    limits: readLimits(reader, value('limits')),
  };
  reader.throwIfAny();
  return configuration;
}

const LISTENERS_MAX = 64;

const PORT: NumberRule = { min: 1, max: 65_535, what: 'a port' };

/** Mode of a unix socket: its owner and group may connect, nobody else. */
const SOCKET_MODE = 0o660;

function readListeners(
  reader: YamlReader,
  node: Value,
  { runtimeDirectory }: ConfigurationDefaults,
  hasTls: boolean,
): ListenerConfiguration[] {
  if (node === undefined) return [{ kind: 'unix', path: join(runtimeDirectory, GATEWAY_SOCKET), mode: SOCKET_MODE }];
  const items = reader.items(node, 'listen');
  if (items.length === 0) reader.refuse(node, 'listen is empty: name a unix socket or a TCP address');
  if (items.length > LISTENERS_MAX) reader.refuseAll(`listens at ${items.length} places; ${LISTENERS_MAX} are allowed`);
  const seen = new Set<string>();
  return items.flatMap((item) => {
    const listener = readListener(reader, item, hasTls);
    if (listener === undefined) return [];
    const name = listenerName(listener);
    if (seen.has(name)) reader.refuse(item, `${name} is there already`);
    seen.add(name);
    return [listener];
  });
}

/** Such as "unix:/run/mcroute/gateway.sock" or "[::]:7790". */
export function listenerName(listener: ListenerConfiguration): string {
  if (listener.kind === 'unix') return `unix:${listener.path}`;
  return `${listener.host.includes(':') ? `[${listener.host}]` : listener.host}:${listener.port}`;
}

function readListener(
  reader: YamlReader,
  item: NonNullable<Value>,
  hasTls: boolean,
): ListenerConfiguration | undefined {
  const section = reader.section(item, 'an item of listen', ['unix', 'mode', 'tcp', 'plaintext']);
  if (section === undefined) return undefined;
  const value = (key: string) => section.values.get(key);
  const [unix, tcp] = [value('unix'), value('tcp')];
  if ((unix === undefined) === (tcp === undefined)) {
    reader.refuse(item, 'an item of listen has either unix, a path, or tcp, ADDRESS:PORT');
    return undefined;
  }
  if (unix !== undefined) {
    const plaintext = value('plaintext');
    if (plaintext !== undefined) reader.refuse(plaintext, 'plaintext is for tcp: a unix socket never leaves the host');
    const mode = reader.text(value('mode'), 'mode', complaintAboutMode);
    const path = reader.text(unix, 'unix', complaintAboutPath);
    return path === undefined
      ? undefined
      : { kind: 'unix', path, mode: mode === undefined ? SOCKET_MODE : parseInt(mode, 8) };
  }
  const mode = value('mode');
  if (mode !== undefined) reader.refuse(mode, 'mode is for unix: a TCP port has none');
  const isPlaintext = reader.boolean(value('plaintext'), 'plaintext') ?? false;
  const text = reader.text(tcp, 'tcp', complaintAboutAddress);
  const address = text === undefined ? undefined : parseTcpAddress(text);
  if (address === undefined) return undefined;
  if (isPlaintext && !isLoopback(address.host)) {
    const why = 'everyone on the network could read and change what is sent';
    reader.refuse(item, `plaintext is for loopback addresses only (127.0.0.1, ::1): ${why}`);
  }
  if (!isPlaintext && !hasTls) {
    reader.refuse(item, `${quote(text ?? '')} needs certificates: add tls with certificate, key and client-ca`);
  }
  return { kind: 'tcp', ...address, isPlaintext };
}

/** `ADDRESS:PORT`, IPv6 in brackets. */
function parseTcpAddress(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  const isAddress = bracketed === undefined ? isIP(plain ?? '') === 4 : isIP(bracketed) === 6;
  if (!isAddress || port < PORT.min || port > PORT.max) return undefined;
  return { host: bracketed ?? plain ?? '', port };
}

function complaintAboutAddress(text: string): string | undefined {
  if (parseTcpAddress(text) !== undefined) return undefined;
  return `${quote(text)} is no address to listen at: such as 0.0.0.0:7790 or "[::]:7790"`;
}

/** 127.0.0.0/8 and ::1, which no packet of another host reaches. */
function isLoopback(host: string): boolean {
  return isIP(host) === 4 ? host.startsWith('127.') : /^(?:0*:)*:?0*1$/.test(host);
}

function complaintAboutMode(text: string): string | undefined {
  return /^0?[0-7]{3}$/.test(text) ? undefined : `${quote(text)} is no mode of a socket: such as "0660"`;
}

function complaintAboutPath(text: string): string | undefined {
  if (!text.startsWith('/')) return `${quote(text)} is no absolute path`;
  return text.includes('\0') ? `${quote(text)} has a zero in it` : undefined;
}

function readTls(reader: YamlReader, node: Value): TlsConfiguration | undefined {
  if (node === undefined) return undefined;
  const keys = ['certificate', 'key', 'client-ca', 'crl', 'identity'];
  const section = reader.section(node, 'tls', keys);
  const path = (key: string) => reader.text(section?.values.get(key), key, complaintAboutPath);
  const [certificate, key, clientCa, crl] = [path('certificate'), path('key'), path('client-ca'), path('crl')];
  for (const key of ['certificate', 'key', 'client-ca']) {
    if (section !== undefined && section.values.get(key) === undefined) reader.refuse(node, `tls needs ${key}, a path`);
  }
  const sources = section?.values.get('identity');
  const items = reader.items(sources, 'identity');
  if (sources !== undefined && items.length === 0) reader.refuse(sources, 'identity is empty: uri, dns or cn');
  const identity = items.flatMap((item) => reader.word(item, 'identity', IDENTITY_SOURCES) ?? []);
  if (new Set(identity).size < identity.length) reader.refuse(node, 'identity names one of them twice');
  if (certificate === undefined || key === undefined || clientCa === undefined) return undefined;
  return { certificate, key, clientCa, crl, identity: items.length === 0 ? ['uri'] : identity };
}

const MIB = 1024 * 1024;
const MAX_SIZE: NumberRule = { min: 1, max: 4_096, what: 'a size in MiB' };
const FILES: NumberRule = { min: 1, max: 1_000, what: 'a number of files' };
const MAX_SIZE_DEFAULT = 16;
const FILES_DEFAULT = 8;

/** Name of the audit file in the directory of logs. */
const AUDIT_FILE = 'audit.log';

function readAudit(
  reader: YamlReader,
  node: Value,
  { logsDirectory }: ConfigurationDefaults,
): GatewayConfiguration['audit'] {
  const section = node && reader.section(node, 'audit', ['file', 'max-size', 'files']);
  const value = (key: string) => section?.values.get(key);
  return {
    file: reader.text(value('file'), 'file', complaintAboutPath) ?? join(logsDirectory, AUDIT_FILE),
    maxSize: (reader.number(value('max-size'), MAX_SIZE) ?? MAX_SIZE_DEFAULT) * MIB,
    files: reader.number(value('files'), FILES) ?? FILES_DEFAULT,
  };
}

/** By key: the default, and the bounds. */
const LIMITS = {
  connections: { default: 256, min: 1, max: 10_000 },
  'connections-per-address': { default: 64, min: 0, max: 10_000 },
  'streams-per-identity': { default: 64, min: 0, max: 10_000 },
  'writes-per-second': { default: 100, min: 0, max: 1_000_000 },
  'write-burst': { default: 200, min: 1, max: 1_000_000 },
  'resources-per-owner': { default: 0, min: 0, max: 1_000_000 },
} as const;

function readLimits(reader: YamlReader, node: Value): LimitsConfiguration {
  const section: Section | undefined = node && reader.section(node, 'limits', Object.keys(LIMITS));
  const limit = (key: keyof typeof LIMITS): number => {
    const { default: usual, ...bounds } = LIMITS[key];
    return reader.number(section?.values.get(key), { ...bounds, what: key }) ?? usual;
  };
  return {
    connections: limit('connections'),
    connectionsPerAddress: limit('connections-per-address'),
    streamsPerIdentity: limit('streams-per-identity'),
    writesPerSecond: limit('writes-per-second'),
    writeBurst: limit('write-burst'),
    resourcesPerOwner: limit('resources-per-owner'),
  };
}
