// What every program of ours asks of the addon: messages of sd_notify, descriptors and locks. What only agents ask is in
// src/agent/kernel/native.ts.
import { createRequire } from 'node:module';
import { treeFile } from './tree.js';

/** A datagram of the sd_notify(3) protocol, and who sent it as the kernel says (SCM_CREDENTIALS). */
export interface NotifyMessage {
  /** 0 where the sender's process is in no view of ours. */
  readonly pid: number;
  readonly uid: number;
  /** Lines such as `READY=1`. */
  readonly state: string;
  /** The receiver's own by now, close-on-exec. */
  readonly fds: readonly number[];
}

/** A socket at a path to which programs send how they are. Everyone may send: it is for the reader to look at the pid. */
export interface NotifyReceiver {
  readonly fd: number;
  /**
   * One datagram, without waiting; undefined if there is none. One that was cut off, in text or descriptors, is dropped
   * and the next one is given.
   */
  receive(): NotifyMessage | undefined;
  /** Calls back when datagrams can be read; one call at a time, until `close`. Read till `receive` gives undefined. */
  onReadable(callback: () => void): void;
  /** Closes the socket; its path stays. */
  close(): void;
}

/** Who connected to a unix socket, as it was then. */
export interface PeerCredentials {
  /** 0 where the process is in no view of ours. */
  readonly pid: number;
  readonly uid: number;
  /** Each once; the first is the effective one. */
  readonly gids: readonly number[];
}

/** The part of the addon that has nothing to do with routing. */
export interface RuntimeAddon {
  /**
   * Sends a datagram of the sd_notify protocol with descriptors, at most 253, to the socket at the path (`@` begins an
   * abstract name). It never waits: EAGAIN if the receiver's queue is full.
   */
  notify(path: string, state: string, fds: readonly number[]): void;
  /** Binds a datagram socket with SO_PASSCRED to the path, which must be free, and lets everyone write to it. */
  openNotifyReceiver(path: string): NotifyReceiver;
  /** Who is at the other end of a connected unix socket (SO_PEERCRED, SO_PEERGROUPS). */
  peerCredentials(fd: number): PeerCredentials;
  /** Closes on exec: FD_CLOEXEC. Inherited descriptors come without it. */
  setCloseOnExec(fd: number): void;
  /** A descriptor of a new, empty file that is nowhere but in memory (memfd_create(2)), close-on-exec. */
  createMemoryFile(name: string): number;
  /**
   * Opens or makes the file (mode 0600, close-on-exec, not through a symbolic link) and takes the lock of flock(2) on it,
   * which ends with the descriptor. Undefined, and nothing stays open, if another process has it.
   */
  lockFile(path: string): number | undefined;
  /** Puts /dev/null in the place of stdin, stdout and stderr. */
  detachStandardStreams(): void;
  /**
   * A file of Latin-1 characters, not copied: both are pages of the kernel's cache, which all processes share. The file may
   * be unlinked or replaced, but not written to. An empty one cannot be mapped (EINVAL). Asked for by src/start.
   */
  mapText(path: string): { readonly text: string; readonly bytes: Uint8Array };
  /** Gives memory of malloc that nothing uses back to the kernel. */
  trimHeap(): void;
  /** Closes a descriptor that was received or made here. */
  closeDescriptor(fd: number): void;
}

let addon: RuntimeAddon | undefined;

/** Loads the addon from where the build put it; MCROUTE_ADDON names another file, such as the sanitizer build. */
export function loadAddon(): RuntimeAddon {
  const file = process.env['MCROUTE_ADDON'] ?? treeFile('native/build/Release/kernel.node');
  addon ??= createRequire(treeFile('package.json'))(file) as RuntimeAddon;
  return addon;
}
