// Modify: controllers' sessions, each a stream of batches.
import { routingDefinition } from '../../api/load.js';
import { modifyReader } from '../../api/modify-requests.js';
import { ApiError, toStatusObject } from '../../api/status.js';
import { ELEMENTS_MAX, SESSIONS_MAX, SESSIONS_PER_CALLER_MAX } from '../../model/limits.js';
import { type ServiceOptions, checkTable, failure, refuseFileOwner } from './call.js';
import { CallSlots } from './call-slots.js';
import { authorOf } from './caller.js';
import { type ModifyCall, type ModifyOptions, ModifyStream } from './modify-stream.js';

export type { ModifyCall } from './modify-stream.js';

/** Streams that are open at once, of which some may not have said yet whose they are. */
const STREAMS_MAX = 2 * SESSIONS_MAX;

/** The streams of an agent's service. */
export function modifyStreams(options: ServiceOptions): ModifyStreams {
  const { engine, sessions, settled } = options;
  return new ModifyStreams({
    engine,
    sessions,
    settled,
    read: modifyReader(routingDefinition().Modify.requestDeserialize, ELEMENTS_MAX),
    checkTable: (table) => {
      checkTable(engine, table);
    },
    checkOwner: (owner) => {
      refuseFileOwner(options, owner);
    },
    failure: (error) => failure(options, 'Modify', error),
  });
}

/** All streams of Modify. */
export class ModifyStreams {
  readonly #options: ModifyOptions;
  readonly #streams = new Set<ModifyStream>();
  readonly #slots = new CallSlots({ all: STREAMS_MAX, perCaller: SESSIONS_PER_CALLER_MAX, what: 'streams of Modify' });

  constructor(options: ModifyOptions) {
    this.#options = options;
    options.engine.onChange((_revision, keys) => {
      for (const stream of this.#streams) stream.note(keys);
    });
  }

  /** Begins a session. */
  add(call: ModifyCall): void {
    let leave: () => void;
    try {
      leave = this.#slots.take(authorOf(call));
    } catch (error) {
      call.emit('error', toStatusObject(this.#options.failure(error)));
      return;
    }
    const stream: ModifyStream = new ModifyStream(this.#options, call, () => {
      this.#streams.delete(stream);
      leave();
    });
    this.#streams.add(stream);
    stream.start();
  }

  /** Ends all sessions, since the agent stops. */
  close(): void {
    for (const stream of this.#streams) {
      stream.fail(new ApiError('AGENT_UNAVAILABLE', 'the agent stops; begin a session when it is back'));
    }
  }
}
