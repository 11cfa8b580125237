// A snapshot: a header, one line per owner and resource, and a closing line with their number and a checksum over all,
// so that a file that was cut off is known.
import { crc32 } from 'node:zlib';
import { type Encoded, WishTextError, decodeResource } from '../rib/wish-text.js';
import { type CheckedLine, checkedLine, lineValue, readCheckedLine } from './checked-line.js';
import { type Header, headerLine } from './header.js';
import { JsonBytes } from './json-bytes.js';
import { writeOwnedResource } from './wish-bytes.js';
import type { WishReader } from './wish-reader.js';
import { type OwnedResource, WishMap } from './wishes.js';

/** Bytes of one chunk: some tenths of a millisecond of encoding. */
const CHUNK_LENGTH = 1 << 16;

const NEWLINE = 10;
const END_OF_LINE = Buffer.from('\n');
const OWNER = Buffer.from('{"owner":');
const COMMA = Buffer.from(',');

/** The file in chunks, each made when it is asked for, from the wishes that are read then; one is good until the next. */
export function* encodeSnapshot(header: Header, wishes: Iterable<OwnedResource>): Generator<Buffer> {
  const first = headerLine(header);
  let { crc } = first;
  yield Buffer.from(first.line);
  const chunk = new JsonBytes();
  let entries = 0;
  for (const { owner, resource } of wishes) {
    writeOwnedResource(chunk, owner, resource);
    chunk.add(END_OF_LINE);
    entries++;
    if (chunk.length < CHUNK_LENGTH) continue;
    const { bytes } = chunk;
    crc = crc32(bytes, crc);
    yield bytes;
    chunk.clear();
  }
  const { line } = checkedLine(JSON.stringify({ entries }), crc32(chunk.bytes, crc));
  chunk.add(Buffer.from(line));
  yield chunk.bytes;
}

/** The wishes of a snapshot whose header is in the line; undefined if it is damaged or was cut off. */
export function readSnapshot(reader: WishReader, bytes: Buffer, header: CheckedLine): WishMap | undefined {
  const start = bytes.length < 2 ? 0 : bytes.lastIndexOf(NEWLINE, bytes.length - 2) + 1;
  if (start < header.end) return undefined;
  const closing = readCheckedLine(bytes, start, crc32(bytes.subarray(header.end, start), header.crc));
  if (closing?.end !== bytes.length) return undefined;
  const wishes = new WishMap();
  let entries = 0;
  try {
    for (let at = header.end; at < start; entries++) {
      const end = bytes.indexOf(NEWLINE, at);
      const { owner, resource } =
        readPlainEntry(reader, bytes, at, end) ?? readEntry(lineValue(bytes, { from: at, to: end }));
      wishes.of(owner).set(resource.key, resource);
      at = end + 1;
    }
  } catch (error) {
    if (error instanceof WishTextError) return undefined;
    throw error;
  }
  return (lineValue(bytes, closing) as Encoded | null | undefined)?.['entries'] === entries ? wishes : undefined;
}

/** An entry just as `encodeSnapshot` makes it; undefined if it may be another. */
function readPlainEntry(reader: WishReader, bytes: Buffer, from: number, to: number): OwnedResource | undefined {
  reader.open(bytes, from, to);
  if (!reader.skip(OWNER)) return undefined;
  const owner = reader.text();
  if (owner === undefined || !reader.skip(COMMA)) return undefined;
  const resource = reader.restOfResource();
  return resource !== undefined && reader.isAtEnd ? { owner, resource } : undefined;
}

/** @throws WishTextError if it is none. */
function readEntry(value: unknown): OwnedResource {
  const resource = decodeResource(value);
  const { owner } = value as Encoded;
  if (typeof owner !== 'string') throw new WishTextError('nobody wants it');
  return { owner, resource };
}
