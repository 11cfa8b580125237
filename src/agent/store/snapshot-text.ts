// A snapshot: a header, one line per owner and resource, and a closing line with their number and a checksum over all,
// so that a file that was cut off is known.
import { crc32 } from 'node:zlib';
import { type Encoded, WishTextError, decodeResource, encodeResource } from '../rib/wish-text.js';
import { checkedLine, parseJson, readCheckedLine } from './checked-line.js';
import type { CheckedLine } from './checked-line.js';
import { type Header, headerLine } from './header.js';
import { type OwnedResource, WishMap } from './wishes.js';

/** Characters of one chunk: about a millisecond of encoding. */
const CHUNK_LENGTH = 1 << 16;

const NEWLINE = 10;

/** The file in chunks, each made when it is asked for. */
export function* encodeSnapshot(header: Header, wishes: readonly OwnedResource[]): Generator<Buffer> {
  const first = headerLine(header);
  let crc = first.crc;
  yield Buffer.from(first.line);
  let text = '';
  for (const { owner, resource } of wishes) {
    text += `${JSON.stringify({ owner, ...encodeResource(resource) })}\n`;
    if (text.length < CHUNK_LENGTH) continue;
    const chunk = Buffer.from(text);
    crc = crc32(chunk, crc);
    text = '';
    yield chunk;
  }
  const rest = Buffer.from(text);
  const closing = checkedLine(JSON.stringify({ entries: wishes.length }), crc32(rest, crc));
  yield Buffer.concat([rest, Buffer.from(closing.line)]);
}

/** The wishes of a snapshot whose header is in the line; undefined if it is damaged or was cut off. */
export function readSnapshot(bytes: Buffer, header: CheckedLine): WishMap | undefined {
  const start = bytes.length < 2 ? 0 : bytes.lastIndexOf(NEWLINE, bytes.length - 2) + 1;
  if (start < header.end) return undefined;
  const closing = readCheckedLine(bytes, start, crc32(bytes.subarray(header.end, start), header.crc));
  if (closing?.end !== bytes.length) return undefined;
  const wishes = new WishMap();
  let entries = 0;
  for (let at = header.end; at < start; entries++) {
    const end = bytes.indexOf(NEWLINE, at);
    const value = parseJson(bytes.toString('utf8', at, end));
    if (typeof value !== 'object' || value === null || !('owner' in value)) return undefined;
    if (typeof value.owner !== 'string') return undefined;
    try {
      wishes.put(value.owner, decodeResource(value));
    } catch (error) {
      if (error instanceof WishTextError) return undefined;
      throw error;
    }
    at = end + 1;
  }
  return (closing.value as Encoded | null)?.['entries'] === entries ? wishes : undefined;
}
