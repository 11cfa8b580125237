// Tells whoever started the agent how it is, by the protocol of sd_notify(3).
import { loadNative } from './kernel/native.js';

export function notifyReady(environment: NodeJS.ProcessEnv, table: number): void {
  notify(environment, `READY=1\nSTATUS=Serving table ${table}`);
}

export function notifyStopping(environment: NodeJS.ProcessEnv): void {
  notify(environment, 'STOPPING=1');
}

function notify(environment: NodeJS.ProcessEnv, state: string): void {
  const path = environment['NOTIFY_SOCKET'];
  if (path !== undefined && path !== '') loadNative().notify(path, state, []);
}
