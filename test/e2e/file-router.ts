// A router whose agent has a configuration file, which is empty at first.
import { writeFileSync } from 'node:fs';
import { type Router, openRouter } from './router.js';

export interface FileRouter {
  readonly router: Router;
  readonly file: string;
}

export async function openFileRouter(): Promise<FileRouter> {
  const file = `/run/router-${process.pid}.conf`;
  writeFileSync(file, '');
  return { file, router: await openRouter({ args: ['-f', file] }) };
}

/** Takes back what the file and everyone else have asked for. */
export async function clearFileRouter({ router, file }: FileRouter): Promise<void> {
  writeFileSync(file, '');
  router.agent.ctl('reload');
  await router.table.clear();
}
