// What is said of a process that went without being asked to.
import { EXIT_CODE } from '../runtime/exit-code.js';
import type { Fault } from './child.js';
import type { ProcessExit } from './process.js';
import type { AgentError } from './table.js';

/** A sentence with the cure, of how the agent of a table ended and what it said last. */
export function agentError(table: number, fault: Fault | 'ended', exit: ProcessExit): AgentError {
  const { message, reason } = explainEnd(`the agent of table ${table}`, fault, exit);
  if (reason === 'TABLE_IN_USE') return { reason, message };
  const isForbidden = fault === 'ended' && exit.code === EXIT_CODE.noPermission;
  return { reason: isForbidden ? 'MISSING_CAPABILITY' : 'AGENT_FAILED', message };
}

/** Why a process went. */
export interface EndExplanation {
  /** A sentence with the cure. */
  readonly message: string;
  /** The word of mcroute-launch, such as TABLE_IN_USE. */
  readonly reason: string | undefined;
}

/** A sentence with the cure; `who` begins it. */
export function explainEnd(who: string, fault: Fault | 'ended', exit: ProcessExit): EndExplanation {
  if (fault === 'late') return plain(`${who} was not ready in time and was ended: its log says how far it came`);
  if (fault === 'silent') {
    return plain(
      `${who} gave no sign of life and was replaced: a longer watchdog time helps where the machine is slow`,
    );
  }
  if (exit.startError !== undefined) return plain(`${who} could not be started: ${exit.startError}`);
  if (exit.code === undefined) {
    return plain(`${who} was killed by ${exit.signal ?? 'a signal'}: the log of the kernel says if memory ran out`);
  }
  const sentence = lastSentence(exit.lastWords);
  const message = `${who} ended with ${exit.code}: ${sentence?.text ?? 'its log says why'}`;
  return { message, reason: sentence?.reason };
}

interface Sentence {
  readonly reason: string | undefined;
  readonly text: string;
}

/** Lines of the log, and what Node writes behind the error that it ends with. */
const NO_SENTENCE = /^(?:\{|at |Node\.js v\d)/;

/** The last line that is for people: `mcroute-launch: REASON: sentence` or `mcroute-agent: sentence`. */
function lastSentence(words: string): Sentence | undefined {
  const line = words
    .split('\n')
    .map((text) => text.trim())
    .findLast((text) => text !== '' && !NO_SENTENCE.test(text));
  if (line === undefined) return undefined;
  const [, reason, text = line] = /^(?:mcroute-\w+: )?(?:([A-Z][A-Z_]+): )?(.+)$/.exec(line) ?? [];
  return { reason, text };
}

function plain(message: string): EndExplanation {
  return { message, reason: undefined };
}
