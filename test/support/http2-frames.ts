// Frames of HTTP/2 as bytes, right or wrong as the test wants them (RFC 9113; headers by RFC 7541).
import { constants } from 'node:http2';

/** What a client says first (RFC 9113, 3.4). */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** RFC 9113, 6. */
export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const END_STREAM = constants.NGHTTP2_FLAG_END_STREAM;
export const END_HEADERS = constants.NGHTTP2_FLAG_END_HEADERS;

export interface FrameFields {
  /** One of FRAME, or one that does not exist. */
  readonly type: number;
  readonly flags?: number;
  readonly stream?: number;
  readonly payload?: Uint8Array;
}

const FRAME_HEADER_BYTES = 9;

export function http2Frame({ type, flags = 0, stream = 0, payload = Buffer.alloc(0) }: FrameFields): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** Settings by their numbers (RFC 9113, 6.5.2). */
export function settingsFrame(settings: ReadonlyMap<number, number> = new Map()): Buffer {
  const payload = Buffer.concat([...settings].map(([id, value]) => Buffer.concat([uint16(id), uint32(value)])));
  return http2Frame({ type: FRAME.SETTINGS, payload });
}

export function windowUpdateFrame(stream: number, by: number): Buffer {
  return http2Frame({ type: FRAME.WINDOW_UPDATE, stream, payload: uint32(by) });
}

export function resetFrame(stream: number): Buffer {
  return http2Frame({ type: FRAME.RST_STREAM, stream, payload: uint32(constants.NGHTTP2_CANCEL) });
}

/** Headers as they are in a block: literally, with new names, and not to be remembered (RFC 7541, 6.2.2). */
export function headerBlock(headers: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(headers.flatMap(([name, value]) => [Buffer.of(0), literal(name), literal(value)]));
}

/** The headers of a call of gRPC. */
export function callHeaders(path: string): [string, string][] {
  return [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'localhost'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ];
}

/** The first frame of a call, with all its headers. */
export function callFrame(stream: number, path: string): Buffer {
  return http2Frame({ type: FRAME.HEADERS, flags: END_HEADERS, stream, payload: headerBlock(callHeaders(path)) });
}

/** The number of the n-th stream of a client, from 0 on: they are odd (RFC 9113, 5.1.1). */
export function streamId(n: number): number {
  return 2 * n + 1;
}

/** Not by Huffman codes (RFC 7541, 5.2). */
function literal(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([integer(bytes.length), bytes]);
}

/** With a prefix of seven bits (RFC 7541, 5.1). */
function integer(value: number): Buffer {
  const max = 0x7f;
  if (value < max) return Buffer.of(value);
  const bytes = [max];
  let rest = value - max;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
