// What a refusal by the kernel means and what cures it. The table decides which failures are expected.
import { getSystemErrorMap } from 'node:util';
import type { KernelFailure } from '../../model/resource.js';

/** A system error, as Node, the addon and the netlink codec throw it. */
interface SystemError extends Error {
  readonly code: string;
  readonly syscall: string;
}

export function isSystemError(error: unknown): error is SystemError {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    'syscall' in error &&
    typeof error.syscall === 'string'
  );
}

/**
 * The failure of an operation as a value.
 *
 * @throws the error itself if it is not a system error: then it is a bug.
 */
export function toKernelFailure(error: unknown): KernelFailure {
  if (!isSystemError(error)) throw error;
  return kernelFailure(error.code, error.syscall);
}

/** The failure for an errno by name, with a sentence and the cure. */
export function kernelFailure(code: string, syscall: string): KernelFailure {
  const cure = CURES[code] ?? 'the log and docs/operating.md have more';
  return { code, syscall, text: `the kernel refused it (${code} from ${syscall}): ${cure}` };
}

/** The name of an errno, such as `ENOBUFS`. */
export function errorName(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[0] ?? `E${errno}`;
}

const CURES: Readonly<Record<string, string>> = {
  EACCES: 'the agent lacks CAP_NET_ADMIN; start it by mcroute-launch or its unit',
  EPERM: 'the agent lacks CAP_NET_ADMIN; start it by mcroute-launch or its unit',
  EADDRINUSE: 'another program uses the same vif number or group on this socket; see who has the table',
  EADDRNOTAVAIL: 'the interface went away at this moment; it is tried again when it returns',
  ENODEV: 'the interface went away at this moment; it is tried again when it returns',
  EEXIST: 'a rule like this is there already; see `ip mrule` and `ip -6 mrule`',
  ENOBUFS: 'a limit of joins is reached; raise net.ipv4.igmp_max_memberships or igmp_max_msf, or net.ipv6.mld_max_msf',
  ENOMEM: 'the kernel has no memory for it; free some, or raise net.core.optmem_max for many joins',
  ENFILE: 'the kernel takes 32 interfaces per table; use a second table',
  EMFILE: 'the agent has too many open files; raise LimitNOFILE of its unit',
  EINVAL: 'the kernel takes no such value; this is a bug of mcroute, please report it',
};
