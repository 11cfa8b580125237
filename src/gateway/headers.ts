// Which headers pass from clients to servers, and back. Pure.
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { CHANGES_TRAILER, RELAY_PREFIX } from '../api/relay.js';

/** Of the reserved ones these two are the client's to say; what there is of messages is the same on both sides. */
const PASSED: ReadonlySet<string> = new Set(['grpc-timeout', 'grpc-accept-encoding']);

/** Headers of one hop (RFC 9113, 8.2.2), and what we say ourselves. */
const OF_ONE_HOP: ReadonlySet<string> = new Set(['connection', 'host', 'te', 'content-length', 'content-type']);

/** The client's headers without what is not its to say. */
export function requestHeaders(headers: IncomingHttpHeaders, path: string): OutgoingHttpHeaders {
  const passed: OutgoingHttpHeaders = {
    ':method': 'POST',
    ':path': path,
    te: 'trailers',
    'content-type': 'application/grpc+proto',
  };
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':') || name.startsWith(RELAY_PREFIX) || OF_ONE_HOP.has(name)) continue;
    if (name.startsWith('grpc-') && !PASSED.has(name)) continue;
    passed[name] = value;
  }
  return passed;
}

/** A server's headers or trailers without what it says to us alone. */
export function answerHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const passed: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(RELAY_PREFIX)) continue;
    if (name.startsWith(':') && name !== ':status') continue;
    passed[name] = value;
  }
  return passed;
}

/** What was changed, as bytes, if the server says so. */
export function changesOf(trailers: IncomingHttpHeaders): Buffer | undefined {
  return bytesOf(trailers, CHANGES_TRAILER);
}

/** The bytes of a header whose name ends with `-bin`. */
export function bytesOf(headers: IncomingHttpHeaders, name: string): Buffer | undefined {
  const value = headers[name];
  return typeof value === 'string' ? Buffer.from(value, 'base64') : undefined;
}

const UNITS_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** The ms that the client waits (grpc-timeout); undefined if it does not say, or not so. */
export function timeoutOf(headers: IncomingHttpHeaders): number | undefined {
  const value = headers['grpc-timeout'];
  const match = typeof value === 'string' ? /^(\d{1,8})([HMSmun])$/.exec(value) : null;
  if (match === null) return undefined;
  return Number(match[1]) * (UNITS_MS[match[2] ?? ''] ?? 1);
}
