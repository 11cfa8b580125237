// How calls end over HTTP/2: a status in the trailers, or in the headers where nothing comes before it (gRPC over HTTP/2,
// Trailers-Only).
import { type OutgoingHttpHeaders, type ServerHttp2Stream, constants } from 'node:http2';
import { status } from '@grpc/grpc-js';
import { type ApiError, toStatusObject } from '../api/status.js';

/** What a call ends with. */
export interface CallStatus {
  readonly code: number;
  readonly message: string;
  /** As they are in the trailers. */
  readonly headers: OutgoingHttpHeaders;
}

/** The status that goes with an error. */
export function statusOf(error: ApiError): CallStatus {
  const { code, details, metadata } = toStatusObject(error);
  return { code, message: details, headers: { ...statusHeaders(code, details), ...metadata.toHttp2Headers() } };
}

/** A status of a code alone, for what has no reason of ours. */
export function plainStatus(code: status, message: string): CallStatus {
  return { code, message, headers: statusHeaders(code, message) };
}

/** The name of a code, such as "OK"; codes of others keep their number. */
export function codeName(code: number): string {
  return status[code] ?? `CODE_${code}`;
}

/** Ends a call with a status, whether or not something was answered before. Nothing happens if it has ended. */
export function endCall(stream: ServerHttp2Stream, { headers }: CallStatus): void {
  if (stream.destroyed || stream.closed || stream.writableEnded) return;
  if (stream.headersSent) {
    sendTrailers(stream, headers);
    return;
  }
  stream.respond({ ...RESPONSE_HEADERS, ...headers }, { endStream: true });
  dropRest(stream);
}

/** Ends an answer that has begun with `waitForTrailers`. */
export function sendTrailers(stream: ServerHttp2Stream, trailers: OutgoingHttpHeaders): void {
  stream.once('wantTrailers', () => {
    stream.sendTrailers(trailers);
    dropRest(stream);
  });
  stream.end();
}

/** What every answer begins with. Requests must not be compressed. */
export const RESPONSE_HEADERS: OutgoingHttpHeaders = {
  [constants.HTTP2_HEADER_STATUS]: constants.HTTP_STATUS_OK,
  [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc+proto',
  'grpc-accept-encoding': 'identity',
};

function statusHeaders(code: status, message: string): OutgoingHttpHeaders {
  return { 'grpc-status': code, 'grpc-message': encodeURI(wellFormed(message)) };
}

/** encodeURI throws at halves of characters. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}

/** The client may be sending still, and is told that nobody reads it any more (RFC 9113, 8.1). */
function dropRest(stream: ServerHttp2Stream): void {
  if (stream.readableEnded) return;
  stream.resume();
  setImmediate(() => {
    if (!stream.destroyed && !stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
  });
}
