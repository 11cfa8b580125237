// What is said of an agent that went without being asked to.
import { EXIT_CODE } from '../runtime/exit-code.js';
import type { Fault } from './child.js';
import type { AgentExit } from './spawn.js';
import type { AgentError } from './table.js';

/** A sentence with the cure, of how the process ended and what it said last. */
export function agentError(table: number, fault: Fault | 'ended', exit: AgentExit): AgentError {
  const who = `the agent of table ${table}`;
  if (fault === 'late') {
    return failed(`${who} was not ready in time and was ended: its log says how far it came`);
  }
  if (fault === 'silent') {
    return failed(
      `${who} gave no sign of life and was replaced: a longer watchdog time helps where the machine is slow`,
    );
  }
  if (exit.startError !== undefined) return failed(`${who} could not be started: ${exit.startError}`);
  if (exit.code === undefined) {
    return failed(`${who} was killed by ${exit.signal ?? 'a signal'}: the log of the kernel says if memory ran out`);
  }
  const sentence = lastSentence(exit.lastWords);
  const message = `${who} ended with ${exit.code}: ${sentence?.text ?? 'its log says why'}`;
  if (sentence?.reason === 'TABLE_IN_USE') return { reason: 'TABLE_IN_USE', message };
  return exit.code === EXIT_CODE.noPermission ? { reason: 'MISSING_CAPABILITY', message } : failed(message);
}

interface Sentence {
  /** The word of mcroute-launch, such as TABLE_IN_USE. */
  readonly reason: string | undefined;
  readonly text: string;
}

/** The last line that is for people: `mcroute-launch: REASON: sentence` or `mcroute-agent: sentence`, not JSON. */
function lastSentence(words: string): Sentence | undefined {
  const line = words
    .split('\n')
    .map((text) => text.trim())
    .findLast((text) => text !== '' && !text.startsWith('{'));
  if (line === undefined) return undefined;
  const [, reason, text = line] = /^(?:mcroute-\w+: )?(?:([A-Z][A-Z_]+): )?(.+)$/.exec(line) ?? [];
  return { reason, text };
}

function failed(message: string): AgentError {
  return { reason: 'AGENT_FAILED', message };
}
