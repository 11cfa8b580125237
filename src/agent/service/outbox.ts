// What a session is yet to be told: in order, nothing before it may be said, and at the pace of the reader.
/** Bytes on their way to a reader from which on it is sent no more: enough to keep a fast one busy. */
const UNREAD_MAX = 64 * 1024;

/** Bytes that wait or are on their way from which on no more is taken from the reader. */
const WAITING_MAX = 256 * 1024;

/** Messages that are sent together. */
export interface Answer {
  /** One at least. */
  messages: readonly Buffer[];
  /** They may be sent; until then nothing that comes after them is. */
  isReady: boolean;
  /** Called when the last of them is on its way. */
  readonly onSent?: () => void;
}

export interface OutboxOptions {
  /** Writes a message and calls back when the reader has taken it. */
  readonly call: { write(message: Buffer, onTaken: () => void): unknown };
  /** Time in which the reader must take something, in ms. */
  readonly stallMs: number;
  /** Called when the reader has taken nothing for that time. */
  readonly onStall: () => void;
  /** Gives a message that is of less importance than answers; undefined if there is none. */
  readonly nextNews: () => Buffer | undefined;
  /** Called whenever something was sent or taken. */
  readonly onProgress: () => void;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #answers: Answer[] = [];
  /** How many messages of the first answer were sent. */
  #sent = 0;
  /** Bytes that wait to be sent. */
  #waiting = 0;
  /** Bytes that were sent and not taken yet. */
  #unread = 0;
  #stall: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Whether more may be taken from the reader. */
  get hasRoom(): boolean {
    return this.#waiting + this.#unread < WAITING_MAX;
  }

  get isEmpty(): boolean {
    return this.#answers.length === 0;
  }

  /** Adds an answer; `flush` sends it when it is its turn. */
  add(answer: Answer): void {
    if (this.#isClosed) return;
    this.#answers.push(answer);
    this.#waiting += sizeOf(answer.messages);
  }

  /** Has other messages in place of those of an answer, of which none was sent. */
  replace(answer: Answer, messages: readonly Buffer[]): void {
    if (!this.#answers.includes(answer)) return;
    this.#waiting += sizeOf(messages) - sizeOf(answer.messages);
    answer.messages = messages;
  }

  /** Sends what is ready, as much as the reader takes. */
  flush(): void {
    while (this.#unread < UNREAD_MAX && !this.#isClosed) {
      const message = this.#nextAnswer() ?? this.#options.nextNews();
      if (message === undefined) break;
      this.#write(message);
    }
    if (!this.#isClosed) this.#options.onProgress();
  }

  /** Forgets what was not sent. */
  close(): void {
    this.#isClosed = true;
    this.#answers.length = 0;
    this.#waiting = 0;
    clearTimeout(this.#stall);
  }

  #nextAnswer(): Buffer | undefined {
    const [first] = this.#answers;
    if (first?.isReady !== true) return undefined;
    const message = first.messages[this.#sent++];
    this.#waiting -= message?.length ?? 0;
    if (this.#sent >= first.messages.length) {
      this.#answers.shift();
      this.#sent = 0;
      first.onSent?.();
    }
    return message;
  }

  #write(message: Buffer): void {
    const { call, stallMs, onStall } = this.#options;
    this.#unread += message.length;
    this.#stall ??= setTimeout(onStall, stallMs).unref();
    call.write(message, () => {
      this.#unread -= message.length;
      if (this.#unread > 0) this.#stall?.refresh();
      else {
        clearTimeout(this.#stall);
        this.#stall = undefined;
      }
      this.flush();
    });
  }
}

function sizeOf(messages: readonly Buffer[]): number {
  let size = 0;
  for (const { length } of messages) size += length;
  return size;
}
