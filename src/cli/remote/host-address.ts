// Where a gateway is, as people write it. Pure.
import { isIP, isIPv6 } from 'node:net';
import { GATEWAY_PORT } from '../../model/gateway.js';
import { checkSocketPath } from '../connect.js';
import { CliError, type Complaint } from '../errors.js';

/** A gateway; `text` is how messages name it. */
export type HostAddress =
  | { readonly kind: 'unix'; readonly text: string; readonly path: string }
  | {
      readonly kind: 'tcp';
      readonly text: string;
      /** A name, or an address without brackets. */
      readonly name: string;
      readonly port: number;
      /** Without TLS, which only loopback may be. */
      readonly isPlain: boolean;
    };

/** Hosts that one command is for, at most. */
export const HOSTS_MAX = 256;

/** How hosts are written, for the help. */
export const HOST_HELP = 'HOST[:PORT], [IPV6]:PORT or unix:/PATH; tcp:HOST:PORT without TLS, on loopback';

/** Where a value was given, for messages. */
export interface Origin {
  /** Such as `--host`. */
  readonly name: string;
  readonly complaint: Complaint;
}

/**
 * Reads hosts; each text may have several with commas between.
 *
 * @throws CliError of the origin's complaint.
 */
export function parseHosts(texts: readonly string[], origin: Origin): readonly HostAddress[] {
  const words = texts.flatMap((text) => text.split(',').map((word) => word.trim()));
  const hosts = words.filter((word) => word !== '').map((word) => parseHost(word, origin));
  // The same host twice would be told everything twice.
  const different = [...new Map(hosts.map((host) => [host.text, host])).values()];
  if (different.length === 0) throw new CliError(origin.complaint, `${origin.name}: no host is named`, [HOST_HELP]);
  if (different.length > HOSTS_MAX) {
    throw new CliError(origin.complaint, `${origin.name}: ${different.length} hosts, and ${HOSTS_MAX} are the most`, [
      'name fewer at a time',
    ]);
  }
  return different;
}

/** Reads one host. @throws CliError of the origin's complaint. */
export function parseHost(text: string, origin: Origin): HostAddress {
  const refuse = (why: string): never => {
    throw new CliError(origin.complaint, `${origin.name}: '${text}' ${why}`, [`a host is ${HOST_HELP}`]);
  };
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    if (!path.startsWith('/')) return refuse('has no absolute path');
    return { kind: 'unix', text, path: checkSocketPath(path, origin.name, origin.complaint) };
  }
  const isPlain = text.startsWith('tcp:');
  const { name, portText } = split(isPlain ? text.slice('tcp:'.length) : text) ?? refuse('is no host');
  const port = portText === undefined ? GATEWAY_PORT : /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > 65_535) return refuse('has a port that is not 1 to 65535');
  if (isIP(name) === 0 && !NAME.test(name)) return refuse('is neither a name nor an address');
  if (isPlain && !isLoopback(name)) {
    return refuse('is not on this host: without TLS anybody on the way could read and change what is sent');
  }
  return { kind: 'tcp', text, name, port, isPlain };
}

/** `name:port`, with brackets where they are needed. */
export function authorityOf({ name, port }: { readonly name: string; readonly port: number }): string {
  return `${isIPv6(name) ? `[${name}]` : name}:${port}`;
}

/** RFC 1123, with underscores, and a dot at the end. */
const NAME =
  /^(?=.{1,254}$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$/;

function split(text: string): { readonly name: string; readonly portText: string | undefined } | undefined {
  // An IPv6 address alone: all its colons are its own.
  if (isIPv6(text)) return { name: text, portText: undefined };
  const bracketed = /^\[([^\]]+)\](?::(.*))?$/.exec(text);
  if (bracketed !== null) {
    const [, name = '', portText] = bracketed;
    return isIPv6(name) ? { name, portText } : undefined;
  }
  const [name = '', portText, ...others] = text.split(':');
  return name === '' || others.length > 0 ? undefined : { name, portText };
}

function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}
