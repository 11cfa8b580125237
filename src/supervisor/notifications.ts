// The socket on which agents say how they are. Who says it is known by the pid that the kernel attests.
import { rmSync } from 'node:fs';
import type { NotifyMessage, RuntimeAddon } from '../runtime/native.js';
import { type Notification, parseNotification } from './notification.js';

/** Takes what one process says; the descriptors are the taker's. */
export type TakeNotification = (notification: Notification, fds: readonly number[]) => void;

/** The receiver of what all agents say. */
export interface Notifications extends Disposable {
  /** From now on the process is listened to; until then nobody else is. Returns what ends that. */
  listenTo(pid: number, take: TakeNotification): () => void;
  /** Takes everything that waits in the socket, at once: what a process that has just ended had said is in it. */
  drain(): void;
}

/**
 * Datagrams that are taken in one go. Longer than the queue of a socket (net.unix.max_dgram_qlen is 10 to 512), so that
 * all of it is read, and an end to it, as anyone may write to the socket, without pause.
 */
const DRAIN_MAX = 4_096;

type Receiving = Pick<RuntimeAddon, 'openNotifyReceiver' | 'closeDescriptor'>;

/** Opens the socket; what is left of an earlier one goes first. */
export function openNotifications(path: string, addon: Receiving): Notifications {
  rmSync(path, { force: true });
  const receiver = addon.openNotifyReceiver(path);
  const takers = new Map<number, TakeNotification>();
  const drain = () => {
    for (let taken = 0; taken < DRAIN_MAX; taken++) {
      const message = receiver.receive();
      if (message === undefined) return;
      take(message);
    }
  };
  const take = ({ pid, state, fds }: NotifyMessage) => {
    const taker = takers.get(pid);
    const notification = parseNotification(state);
    if (taker !== undefined && notification.keeps !== undefined) {
      taker(notification, fds);
      return;
    }
    for (const fd of fds) addon.closeDescriptor(fd);
    taker?.(notification, []);
  };
  receiver.onReadable(drain);
  return {
    listenTo: (pid, taker) => {
      takers.set(pid, taker);
      return () => {
        if (takers.get(pid) === taker) takers.delete(pid);
      };
    },
    drain,
    [Symbol.dispose]: () => {
      receiver.close();
      rmSync(path, { force: true });
    },
  };
}
