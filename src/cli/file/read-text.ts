// The text of a file that a person names; `-` is stdin.
import { readFile, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { CliError } from '../errors.js';

/** Largest file, in bytes: a million resources as JSON take less, and a text of JavaScript can hold it. */
const FILE_MAX = 256 * 1024 * 1024;

/** Reads a text. @throws CliError NO_FILE if it cannot be read, BAD_FILE if it is too large. */
export async function readText(path: string, stdin: Readable): Promise<string> {
  if (path === '-') return readStream(stdin);
  try {
    const { size } = await stat(path);
    if (size > FILE_MAX) throw tooLarge(path);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof CliError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CliError('NO_FILE', `${path}: ${FAILURES.get(code ?? '') ?? message}`, [], error);
  }
}

/** How messages name the file. */
export function nameOfFile(path: string): string {
  return path === '-' ? 'stdin' : path;
}

const FAILURES = new Map([
  ['ENOENT', 'there is no such file'],
  ['EACCES', 'no permission to read it'],
  ['EISDIR', 'this is a folder, not a file'],
]);

async function readStream(stdin: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > FILE_MAX) throw tooLarge('stdin');
  }
  return Buffer.concat(chunks).toString('utf8');
}

function tooLarge(name: string): CliError {
  return new CliError('BAD_FILE', `${name}: has more than ${FILE_MAX} bytes`, ['split it']);
}
