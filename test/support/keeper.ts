// Keeps descriptors of programs and hands them to the next ones, as systemd's descriptor store does.
import type { ChildProcess } from 'node:child_process';
import { fstatSync, rmSync } from 'node:fs';
import { type NotifyReceiver, loadAddon } from '../../src/runtime/native.js';

/** What the next program is given. */
export interface HandedOver {
  /** For `stdio`, from 3 on. */
  readonly fds: readonly number[];
  readonly environment: NodeJS.ProcessEnv;
}

/** Opens a keeper whose socket is at the path. */
export function openKeeper(path: string): Keeper {
  return new Keeper(path);
}

/** One that keeps, for programs that run one after the other. Disposing of it closes what is kept. */
export class Keeper implements Disposable {
  readonly #path: string;
  readonly #receiver: NotifyReceiver;
  #kept: { readonly name: string; readonly fd: number }[] = [];
  /** Lines that programs have sent, without those about descriptors. */
  readonly said: string[] = [];
  #pid: number | undefined;

  constructor(path: string) {
    this.#path = path;
    rmSync(path, { force: true });
    this.#receiver = loadAddon().openNotifyReceiver(path);
    this.#receiver.onReadable(() => {
      this.read();
    });
  }

  /** The names of what is kept, sorted. */
  get names(): readonly string[] {
    this.read();
    return this.#kept.map(({ name }) => name).sort();
  }

  /** Starts the next program; only it is heard from then on. */
  run(start: (handedOver: HandedOver) => ChildProcess): ChildProcess {
    // What the last one has sent may still be in the socket.
    this.read();
    const kept = [...this.#kept];
    const child = start({
      fds: kept.map(({ fd }) => fd),
      environment: {
        NOTIFY_SOCKET: this.#path,
        LISTEN_FDS: String(kept.length),
        LISTEN_FDNAMES: kept.map(({ name }) => name).join(':'),
      },
    });
    this.#pid = child.pid;
    return child;
  }

  /** Takes what waits in the socket. */
  read(): void {
    for (let message = this.#receiver.receive(); message !== undefined; message = this.#receiver.receive()) {
      const lines = message.state.split('\n');
      const name = lines.find((line) => line.startsWith('FDNAME='))?.slice('FDNAME='.length) ?? 'stored';
      if (message.pid !== this.#pid) message.fds.forEach(close);
      else if (lines.includes('FDSTORE=1')) for (const fd of message.fds) this.#keep(name, fd);
      else if (lines.includes('FDSTOREREMOVE=1')) this.#release(name);
      else this.said.push(...lines);
    }
  }

  [Symbol.dispose](): void {
    this.#receiver.close();
    for (const { fd } of this.#kept.splice(0)) close(fd);
    rmSync(this.#path, { force: true });
  }

  #keep(name: string, fd: number): void {
    const { dev, ino } = fstatSync(fd);
    const isKept = this.#kept.some((other) => {
      const known = fstatSync(other.fd);
      return known.dev === dev && known.ino === ino;
    });
    if (isKept) close(fd);
    else this.#kept.push({ name, fd });
  }

  #release(name: string): void {
    for (const { fd } of this.#kept.filter((each) => each.name === name)) close(fd);
    this.#kept = this.#kept.filter((each) => each.name !== name);
  }
}

function close(fd: number): void {
  loadAddon().closeDescriptor(fd);
}
