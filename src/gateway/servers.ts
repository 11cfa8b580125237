// Who serves which method, and what is said where nobody does.
import type { OutgoingHttpHeaders } from 'node:http2';
import { ApiError } from '../api/status.js';
import { agentSocketPath, gatewayDoorPath } from '../runtime/paths.js';
import { type CallStatus, statusOf } from './answer.js';
import type { Method } from './methods.js';
import type { OwnServer } from './own-server.js';
import type { Peer } from './peer.js';
import type { UpstreamCall, Upstreams } from './upstreams.js';

/** Codes of errors of a connection where nobody listens. */
const NOBODY: ReadonlySet<unknown> = new Set(['ENOENT', 'ECONNREFUSED']);

export class Servers {
  readonly #runtimeDirectory: string;
  readonly #upstreams: Upstreams;
  readonly #own: OwnServer;

  constructor(runtimeDirectory: string, upstreams: Upstreams, own: OwnServer) {
    this.#runtimeDirectory = runtimeDirectory;
    this.#upstreams = upstreams;
    this.#own = own;
  }

  /** Begins a call at who serves it. */
  request(method: Method, table: number, peer: Peer, headers: OutgoingHttpHeaders): UpstreamCall {
    if (method.server !== 'gateway')
      return this.#upstreams.request(this.#socket(method, table), peer.identity, headers);
    const caller = this.#own.introduce(peer);
    const call = this.#upstreams.request(this.#own.target, peer.identity, { ...headers, ...caller.headers });
    call.stream.once('close', caller.forget);
    return call;
  }

  /** What a call ends with that got no answer. */
  absence(method: Method, table: number, error: Error | undefined): CallStatus {
    const code = error !== undefined && 'code' in error ? error.code : undefined;
    if (method.server === 'gateway') {
      return statusOf(new ApiError('INTERNAL', `${method.name} failed because of a bug; the gateway's log has more`));
    }
    const who = method.server === 'agent' ? `the agent of table ${table}` : 'the supervisor';
    const path = this.#socket(method, table);
    return statusOf(new ApiError('AGENT_UNAVAILABLE', absenceText(method, who, path, code), { cause: error }));
  }

  #socket({ server }: Method, table: number): string {
    const directory = { MCROUTE_RUNTIME_DIRECTORY: this.#runtimeDirectory };
    return server === 'agent' ? agentSocketPath(directory, table) : gatewayDoorPath(directory);
  }
}

function absenceText(method: Method, who: string, path: string, code: unknown): string {
  if (NOBODY.has(code)) {
    const cure =
      method.server === 'agent'
        ? `'mcctl table list' tells which tables there are, and how their agents are`
        : `'systemctl status mcroute' on the host tells how it is`;
    return `${who} does not answer at ${path}: ${cure}`;
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return `the gateway may not connect to ${path}: its user must be in the group of that socket`;
  }
  const outcome = method.isWrite ? ': whether it was done is not known; look, or try again' : '; try again';
  return `${who} went away before it had answered${outcome}`;
}
