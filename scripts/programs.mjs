// The programs of bin/, and how Node is started with their bundles.
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..');

/** The module with which each begins. */
export const PROGRAMS = {
  'mcroute-agent': 'src/agent/main.ts',
  'mcroute-supervisor': 'src/supervisor/main.ts',
  'mcroute-gateway': 'src/gateway/main.ts',
  mcctl: 'src/cli/main.ts',
  smcroutectl: 'src/cli/smcroute/main.ts',
  smcrouted: 'src/agent/smcrouted/main.ts',
};

/** Where start.cjs looks for compiled code. */
export function codeFile(program) {
  return join(ROOT, `dist/programs/${program}.cjs.${process.version}-${process.arch}.cache`);
}

/** The arguments of Node for a run in which a file learns what V8 compiles. */
export function learningWords(program, file, args) {
  return [join(ROOT, 'dist/src/start/start.cjs'), 'learn', file, program, ...args];
}
