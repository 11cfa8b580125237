// Reads configuration files.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { CONFIGURATION_MAX } from '../model/limits.js';
import { ConfigurationError } from './configuration-error.js';

/**
 * Reads the text of a configuration file, CONFIGURATION_MAX bytes at most.
 *
 * @throws ConfigurationError if it cannot be read; its cause is the system's error if there is one.
 */
export function readConfigurationText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readBounded(file);
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new ConfigurationError([{ where: file, text: FAILURES.get(code) ?? message }], error);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new ConfigurationError([{ where: file, text: 'is not a text in UTF-8' }], error);
  }
}

/** What is wrong with a text that is too long. */
export const TOO_LARGE = `has more than ${CONFIGURATION_MAX} bytes`;

const FAILURES = new Map([
  ['ENOENT', 'there is no such file'],
  ['EACCES', 'no permission to read it'],
  ['EISDIR', 'this is a folder, not a file'],
]);

function readBounded(file: string): Buffer {
  // A FIFO that nobody writes to would block the opening.
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(fd).isFile()) throw new ConfigurationError([{ where: file, text: 'this is not a regular file' }]);
    const bytes = Buffer.alloc(CONFIGURATION_MAX + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(fd, bytes, length, bytes.length - length, null);
    }
    if (length > CONFIGURATION_MAX) throw new ConfigurationError([{ where: file, text: TOO_LARGE }]);
    return bytes.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
