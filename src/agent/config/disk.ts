// Configuration files on the disk.
import { closeSync, constants, fstatSync, openSync, readSync, readdirSync } from 'node:fs';
import type { FileContent, FileReader } from './load.js';

/** Device 1:3, /dev/null: people name it who want no configuration. */
const NULL_DEVICE = 0x103;

/** Reads files as they are; synchronously, since nothing else may happen between two of them. */
export const DISK: FileReader = { read: readText, list: listNames };

function readText(path: string, bytesMax: number): FileContent {
  let descriptor: number;
  try {
    // A FIFO without a writer would keep open(2) waiting.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return failureOf(error);
  }
  try {
    const stat = fstatSync(descriptor);
    if (stat.isDirectory()) return { kind: 'folder' };
    if (stat.isCharacterDevice() && stat.rdev === NULL_DEVICE) return { kind: 'text', text: '', bytes: 0 };
    if (!stat.isFile()) return { kind: 'unreadable', reason: 'it is not a regular file' };
    if (stat.size > bytesMax) return { kind: 'too-large' };
    // One more than there should be, to see that it has not grown meanwhile.
    const buffer = Buffer.allocUnsafe(stat.size + 1);
    let length = 0;
    for (let count = -1; count !== 0 && length < buffer.length; length += count) {
      count = readSync(descriptor, buffer, length, buffer.length - length, null);
    }
    if (length > stat.size) return { kind: 'unreadable', reason: 'it is being written' };
    return { kind: 'text', text: buffer.toString('utf8', 0, length), bytes: length };
  } catch (error) {
    return failureOf(error);
  } finally {
    closeSync(descriptor);
  }
}

function listNames(folder: string): readonly string[] | undefined {
  try {
    return readdirSync(folder);
  } catch {
    // As for glob(3), what cannot be looked into holds nothing.
    return undefined;
  }
}

function failureOf(error: unknown): FileContent {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'missing' };
  return { kind: 'unreadable', reason: REASONS.get(code ?? '') ?? message };
}

const REASONS = new Map([
  ['EACCES', 'permission denied'],
  ['ELOOP', 'its symbolic links go round in circles'],
  ['EIO', 'input/output error'],
  ['ENAMETOOLONG', 'its name is too long'],
]);
