// A refusal that comes over netlink, as an error like Node's own.
import { getSystemErrorMap } from 'node:util';

/** The kernel refused a request. `code`, `errno` and `syscall` are as in Node's system errors. */
export class NetlinkError extends Error {
  /** Such as `EEXIST`. */
  readonly code: string;
  /** Negative, as in Node's system errors. */
  readonly errno: number;
  /** The request, such as `RTM_NEWRULE`. */
  readonly syscall: string;
  /** The kernel's own sentence (extended ack), if it had one. */
  readonly text: string | undefined;

  constructor(request: string, errno: number, text: string | undefined) {
    const [code, meaning] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, 'unknown error'];
    super(`${code}: ${text ?? meaning}, ${request}`);
    this.code = code;
    this.errno = -errno;
    this.syscall = request;
    this.text = text;
  }
}
