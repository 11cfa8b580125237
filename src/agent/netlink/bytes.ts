// What all of the codec stands on: byte order, alignment, and the one error it throws.

/** The kernel speaks the machine's own byte order; the last argument of every DataView call. */
export const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Bytes are not what the kernel's headers say they are. */
export class NetlinkFormatError extends Error {
  readonly code = 'NETLINK_FORMAT';
}

/** The next multiple of four, where netlink begins messages and attributes (NLMSG_ALIGN, NLA_ALIGN, RTNH_ALIGN). */
export function align(length: number): number {
  return Math.ceil(length / 4) * 4;
}

/**
 * A view of the struct that the bytes begin with.
 *
 * @throws NetlinkFormatError if they are fewer than its `length`.
 */
export function fixedPart(bytes: Uint8Array, length: number, what: string): DataView {
  if (bytes.length < length) throw new NetlinkFormatError(`${bytes.length} bytes are too few for ${what}`);
  return new DataView(bytes.buffer, bytes.byteOffset, length);
}
