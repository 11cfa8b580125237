// Stack traces of bundles with the files and lines of src/. The map is read when the first one is told: Node's
// `--enable-source-maps` reads it at every start, and grpc-js looks at the stack of every call that fails.
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { basename, dirname, join } from 'node:path';

const FILE = import.meta.filename;

/** Compiled code knows its file by the bare name (src/start/start.cts). For modules Node itself reads the maps. */
const PLACE = new RegExp(`\\b${basename(FILE).replaceAll('.', '\\.')}:(\\d+):(\\d+)`, 'g');

let map: SourceMap | undefined;

/** The text of a stack, with places in src/ for those in the bundle. Without a map it stays as it is. */
export function inSource(stack: string): string {
  try {
    return stack.replace(PLACE, (place, line: string, column: string) => {
      map ??= new SourceMap(JSON.parse(readFileSync(`${FILE}.map`, 'utf8')) as SourceMap['payload']);
      const found = map.findEntry(Number(line) - 1, Number(column) - 1);
      if (!('originalSource' in found)) return place;
      return `${join(dirname(FILE), found.originalSource)}:${found.originalLine + 1}:${found.originalColumn + 1}`;
    });
  } catch {
    return stack;
  }
}

/** Has Node tell the error that ends the program with the places in src/. */
export function tellLastErrorInSource(): void {
  process.on('uncaughtExceptionMonitor', (error: unknown) => {
    if (error instanceof Error && error.stack !== undefined) error.stack = inSource(error.stack);
  });
}
