// Talks to rtnetlink over native sockets: one for requests, one for what the kernel says on its own.
import type { NativeAddon, NetlinkSocket } from '../kernel/native.js';
import { NetlinkFormatError } from './bytes.js';
import { NetlinkError } from './error.js';
import { type Acknowledgement, type NetlinkMessage, type NetlinkRequest } from './message.js';
import { NLM_F, encodeMessage, parseAcknowledgement, parseDatagram } from './message.js';
import { type NetlinkNews, type NewsKind, newsGroups, newsType, parseNews } from './news.js';

/** Times a dump is asked for again when what it lists changed under it. */
const DUMP_RETRIES = 3;

/** Datagrams read in one go before other events of the process have their turn. */
const DATAGRAMS_PER_TURN = 64;

/** Why news was lost: the receive buffer was full, or a message was not as expected. */
export type ResyncReason = 'overflow' | 'format';

/** News, or the word that some was lost and all must be read again. */
export type NetlinkEvent = NetlinkNews | { readonly event: 'resync'; readonly reason: ResyncReason };

/** Opens a socket for requests. */
export function openNetlinkRequests(addon: Pick<NativeAddon, 'openNetlinkSocket'>): NetlinkRequests {
  return new NetlinkRequests(addon.openNetlinkSocket());
}

/**
 * Opens a socket for news of some kinds. Subscribe first, then dump: what changes in between is then told twice and
 * never missed.
 *
 * @param onEvents hears what came in one go, in order; it may close the object.
 * @param tables of entries only the news of these tables, as the kernel knows them; undefined: of all.
 */
export function openNetlinkNotifications(
  addon: Pick<NativeAddon, 'openNetlinkSocket'>,
  kinds: readonly NewsKind[],
  onEvents: (events: readonly NetlinkEvent[]) => void,
  tables?: readonly number[],
): NetlinkNotifications {
  const socket = addon.openNetlinkSocket();
  try {
    // A group carries more than is asked for: every mfc entry that is written comes with those that go.
    socket.acceptTypes(kinds.map(newsType), tables);
    for (const group of new Set(kinds.flatMap(newsGroups))) socket.joinGroup(group);
    return new NetlinkNotifications(socket, kinds, onEvents);
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Requests and their answers, one at a time. rtnetlink answers within sendmsg(2), so nothing here waits. */
export class NetlinkRequests {
  readonly #socket: NetlinkSocket;
  #sequence = 0;
  /** The last answer was not read to its end; what is left of it would keep the socket busy. */
  #hasLeftovers = false;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /**
   * Has the kernel do something.
   *
   * @throws NetlinkError if it refuses.
   */
  execute(request: NetlinkRequest): void {
    this.#ask(request);
  }

  /**
   * Asks for one thing.
   *
   * @returns the first message of the answer that `parse` knows.
   * @throws NetlinkError if the kernel refuses.
   */
  get<T>(request: NetlinkRequest, parse: (message: NetlinkMessage) => T | undefined): T | undefined {
    return this.#ask(request)
      .map(parse)
      .find((value) => value !== undefined);
  }

  /**
   * Asks for a list, which is of one moment: asked for again when it changed on the way.
   *
   * @returns what `parse` knows of the answer, in order.
   * @throws NetlinkError if the kernel refuses; EINTR if the list changed each time.
   */
  dump<T>(request: NetlinkRequest, parse: (message: NetlinkMessage) => T | undefined): readonly T[] {
    for (let attempt = 0; attempt <= DUMP_RETRIES; attempt++) {
      const answer = this.#ask(request);
      if (answer.some(({ flags }) => (flags & NLM_F.dumpInterrupted) !== 0)) continue;
      return answer.map(parse).filter((value) => value !== undefined);
    }
    throw new NetlinkError(request.name, EINTR, 'The list changed each time it was read');
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The messages of the answer, its end included. */
  #ask(request: NetlinkRequest): readonly NetlinkMessage[] {
    if (this.#hasLeftovers) this.#discardLeftovers();
    this.#hasLeftovers = true;
    this.#sequence = (this.#sequence % 0xffffffff) + 1;
    // A dump ends with NLMSG_DONE in place of an ack.
    const isDump = (request.flags & NLM_F.dump) === NLM_F.dump;
    this.#socket.send(
      encodeMessage({
        type: request.type,
        flags: request.flags | NLM_F.request | (isDump ? 0 : NLM_F.ack),
        sequence: this.#sequence,
        portId: 0,
        payload: request.payload,
      }),
    );
    const { messages, end } = this.#receiveAnswer(request.name);
    this.#hasLeftovers = false;
    if (end.errno !== 0) throw new NetlinkError(request.name, end.errno, end.text);
    return messages;
  }

  #receiveAnswer(name: string): { messages: readonly NetlinkMessage[]; end: Acknowledgement } {
    const messages: NetlinkMessage[] = [];
    // Bounded by what the kernel has to say: `receive` gives undefined when that is all.
    for (;;) {
      const datagram = this.#socket.receive();
      if (datagram === undefined) throw new Error(`bug: the answer to ${name} has no end`);
      for (const message of parseDatagram(datagram)) {
        if (message.sequence !== this.#sequence || message.portId !== this.#socket.portId) continue;
        messages.push(message);
        const end = parseAcknowledgement(message);
        if (end !== undefined) return { messages, end };
      }
    }
  }

  /** The kernel takes no second dump while one is under way (EBUSY), so what is left of it is read. */
  #discardLeftovers(): void {
    while (this.#socket.receive() !== undefined);
  }
}

/** News of the kinds asked for, until closed. */
export class NetlinkNotifications {
  readonly #socket: NetlinkSocket;
  readonly #kinds: ReadonlySet<NewsKind>;
  readonly #onEvents: (events: readonly NetlinkEvent[]) => void;
  #continuation: NodeJS.Immediate | undefined;
  #isClosed = false;

  constructor(socket: NetlinkSocket, kinds: readonly NewsKind[], onEvents: (events: readonly NetlinkEvent[]) => void) {
    this.#socket = socket;
    this.#kinds = new Set(kinds);
    this.#onEvents = onEvents;
    socket.onReadable(() => {
      this.#read();
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearImmediate(this.#continuation);
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #read(): void {
    clearImmediate(this.#continuation);
    this.#continuation = undefined;
    const events: NetlinkEvent[] = [];
    const isDrained = this.#collect(events);
    // The socket is to be read until it is empty; the rest waits for its turn in the event loop.
    if (!isDrained) {
      this.#continuation = setImmediate(() => {
        this.#read();
      });
    }
    if (events.length > 0) this.#onEvents(events);
  }

  /** Whether the socket is empty. */
  #collect(events: NetlinkEvent[]): boolean {
    for (let count = 0; count < DATAGRAMS_PER_TURN; count++) {
      try {
        const datagram = this.#socket.receive();
        if (datagram === undefined) return true;
        for (const message of parseDatagram(datagram)) {
          const news = parseNews(message, this.#kinds);
          if (news !== undefined) events.push(news);
        }
      } catch (error) {
        events.push({ event: 'resync', reason: resyncReason(error) });
      }
    }
    return false;
  }
}

const EINTR = 4;

/** @throws the error if it is not the loss of news. */
function resyncReason(error: unknown): ResyncReason {
  // A kernel newer than this program may say what it does not know; reading all again is then all that is left.
  if (error instanceof NetlinkFormatError) return 'format';
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOBUFS' || code === 'EMSGSIZE') return 'overflow';
  throw error;
}
