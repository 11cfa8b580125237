// What a configuration file in the grammar of smcroute.conf means to the engine.
import { formatDiagnostic, hasErrors } from './config/diagnostic.js';
import { DISK } from './config/disk.js';
import { loadConfiguration } from './config/load.js';
import { toResources } from './config/resources.js';
import type { FileContent } from './file-wishes.js';

/** Reads the file and what it includes. */
export function readConfigurationFile(path: string): FileContent {
  const { statements, diagnostics, isMissing } = loadConfiguration(path, DISK);
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  const warnings = diagnostics.filter(({ severity }) => severity === 'warning');
  return {
    resources: (present) => toResources(statements, present),
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
