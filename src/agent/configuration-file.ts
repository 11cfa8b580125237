// What a configuration file in the grammar of smcroute.conf means to the engine.
import { createHash } from 'node:crypto';
import type { Resource } from '../model/resource.js';
import { formatDiagnostic, hasErrors } from './config/diagnostic.js';
import { DISK } from './config/disk.js';
import { type LoadedConfiguration, loadConfiguration } from './config/load.js';
import { rememberingLoader } from './config/remembered.js';
import { toResources } from './config/resources.js';
import type { FileContent } from './file-wishes.js';

/** Reads the file and what it includes; what has not changed since the last time is not made again. */
export function configurationFileReader(): (path: string) => FileContent {
  const load = rememberingLoader(DISK, (text) => createHash('sha256').update(text).digest('base64'));
  let last: { readonly loaded: LoadedConfiguration; readonly content: FileContent } | undefined;
  return (path) => {
    const loaded = load(path);
    if (last?.loaded !== loaded) last = { loaded, content: contentOf(loaded) };
    return last.content;
  };
}

function contentOf({ statements, diagnostics, isMissing }: LoadedConfiguration): FileContent {
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  const warnings = diagnostics.filter(({ severity }) => severity === 'warning');
  let last: { readonly names: string; readonly resources: readonly Resource[] } | undefined;
  return {
    resources: (present) => {
      const list = [...present];
      // No name of an interface has a slash.
      const names = list.join('/');
      if (last?.names !== names) last = { names, resources: toResources(statements, list) };
      return last.resources;
    },
    errors: errors.map(formatDiagnostic),
    warnings: warnings.map(formatDiagnostic),
    isWithoutWrongLines: errors.every(({ line }) => line > 0),
    isMissing,
  };
}

/** What `--check` prints of a file, a line each, and whether it can be used. */
export function checkConfigurationFile(path: string): { readonly lines: readonly string[]; readonly isValid: boolean } {
  const { diagnostics, isMissing } = loadConfiguration(path, DISK);
  if (isMissing) return { lines: [`${path}: there is no such file`], isValid: false };
  return { lines: diagnostics.map(formatDiagnostic), isValid: !hasErrors(diagnostics) };
}
