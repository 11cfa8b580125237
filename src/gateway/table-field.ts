// Field 1 of requests, which is the table. Pure.
import { relayMessages } from '../api/load.js';
import { UNUSUAL, WireCursor } from '../api/wire-cursor.js';

/** Tag of field 1 as a varint. */
const TABLE_TAG = 0x08;

const cursor = new WireCursor();

/**
 * The table of a request's bytes as who serves it reads them: of several fields 1 the last counts. Undefined if the bytes
 * are no message.
 */
export function readTable(message: Buffer): number | undefined {
  if (message.length === 0) return 0;
  try {
    return relayMessages().tableSelector.deserialize(message).table;
  } catch {
    return undefined;
  }
}

/**
 * The table as encoders write it, before all other fields; read alone, so that the length of the message does not matter.
 * Only for requests to those who look at the table themselves: a second field 1 may follow.
 */
export function readTableInFront(message: Buffer): number | undefined {
  if (message[0] !== TABLE_TAG) return readTable(message);
  cursor.begin(message);
  cursor.at = 1;
  const table = cursor.varint(message.length);
  return table === UNUSUAL ? readTable(message) : table;
}
