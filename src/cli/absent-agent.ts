// Why no agent answers for a table, as the supervisor has it.
import type { TableEntry__Output } from '../api/generated/mcroute/v1/TableEntry.js';
import { ApiError, fromStatusMessage } from '../api/status.js';
import { absentTable } from './connect.js';
import { titleOf } from './output/tables.js';
import { type Supervisor, listTables } from './supervisor.js';

/** Adds what the supervisor knows to the error that no agent answers. Any other error, and any without one, stays. */
export async function explainAbsence(error: unknown, supervisor: Supervisor): Promise<unknown> {
  const table = absentTable(error);
  if (table === undefined || !(error instanceof ApiError)) return error;
  let entries: readonly TableEntry__Output[];
  try {
    entries = await listTables(supervisor);
  } catch {
    // No supervisor, or none for us: the agent may be run in another way.
    return error;
  }
  const entry = entries.find((one) => one.table === table);
  const { state, cures } = entry === undefined ? unknownTable(table) : describe(entry);
  const message = `no agent answers for ${entry === undefined ? `table ${table}` : titleOf(entry)}: ${state}`;
  return new ApiError('AGENT_UNAVAILABLE', message, { metadata: { cure: cures.join('\n') }, cause: error });
}

/** What is the matter, as the rest of a sentence, and what to do. */
interface Absence {
  readonly state: string;
  readonly cures: readonly string[];
}

function unknownTable(table: number): Absence {
  return {
    state: 'the supervisor has no such table',
    cures: [`make it: mcctl table create ${table}`, "'mcctl table list' has those that are there"],
  };
}

function describe(entry: TableEntry__Output): Absence {
  const { table } = entry;
  const reason = entry.lastError === null ? 'it does not say why' : fromStatusMessage(entry.lastError).message;
  switch (entry.state) {
    case 'STATE_STOPPED':
      return { state: 'it was told to stop', cures: [`start it: mcctl table start ${table}`] };
    case 'STATE_FAILED':
      return { state: `it has failed: ${reason}`, cures: [`cure that, then: mcctl table start ${table}`] };
    case 'STATE_BACKING_OFF':
      return {
        state: `it has ended and is started again: ${reason}`,
        cures: [`try again in a moment, or at once: mcctl table start ${table}`, LOG],
      };
    case 'STATE_STARTING':
      return {
        state: 'it is starting',
        cures: [`try again in a moment; mcctl table show ${table} tells how far it is`],
      };
    case 'STATE_STOPPING':
      return { state: 'it is stopping', cures: [`start it again when it has stopped: mcctl table start ${table}`] };
    case 'STATE_READY':
    case 'STATE_UNSPECIFIED':
      return {
        state: `the supervisor has it as running, with process ${entry.pid}`,
        cures: [`replace it, forwarding goes on: mcctl table restart ${table}`, LOG],
      };
  }
}

const LOG = 'the log has more: journalctl -u mcroute';
