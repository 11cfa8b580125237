/** TCP port of a gateway where none is named. */
export const GATEWAY_PORT = 7_790;

/** Name of a gateway's socket in the runtime directory. */
export const GATEWAY_SOCKET = 'gateway.sock';
