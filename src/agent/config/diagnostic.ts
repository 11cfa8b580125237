// What is wrong with a configuration, and where. Pure.
import { DIAGNOSTICS_MAX } from '../../model/limits.js';

/** Something wrong or doubtful in a file. */
export interface Diagnostic {
  readonly file: string;
  /** From 1; 0 if it is about the whole file. */
  readonly line: number;
  /** Of the word's first character, from 1; 0 if it is about the whole file. */
  readonly column: number;
  /** `error`: the configuration is refused. `warning`: it is taken, and is perhaps not what was meant. */
  readonly severity: 'error' | 'warning';
  /** The word concerned, shortened and printable; empty if there is none. */
  readonly word: string;
  /** What is wrong with the word and what was expected; reads on from it. */
  readonly text: string;
}

/** Where something stands in a file. */
export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

/** `file:line:column: error: 'word' text`, for logs and editors. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { file, line, column, severity } = diagnostic;
  const where = line === 0 ? file : `${file}:${line}:${column}`;
  return `${printable(where)}: ${severity}: ${describeDiagnostic(diagnostic)}`;
}

/** The sentence of it, without the place. */
export function describeDiagnostic({ word, text }: Diagnostic): string {
  return word === '' ? text : `'${word}' ${text}`;
}

/** Whether any of them is an error, so that the configuration is refused. */
export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ severity }) => severity === 'error');
}

/** Collects diagnostics: the first DIAGNOSTICS_MAX errors and as many warnings, and how many more there were. */
export class Findings {
  readonly #kept: Diagnostic[] = [];
  readonly #counts = { error: 0, warning: 0 };

  error(place: Place, word: string, text: string): void {
    this.#add('error', place, word, text);
  }

  warning(place: Place, word: string, text: string): void {
    this.#add('warning', place, word, text);
  }

  /** In the order in which they were found; last, if some were not kept, how many those are. */
  toDiagnostics(): Diagnostic[] {
    const left = { error: 0, warning: 0 };
    for (const severity of ['error', 'warning'] as const) {
      left[severity] = Math.max(0, this.#counts[severity] - DIAGNOSTICS_MAX);
    }
    if (left.error + left.warning === 0) return [...this.#kept];
    const rest: Diagnostic = {
      file: this.#kept[0]?.file ?? '',
      line: 0,
      column: 0,
      severity: left.error > 0 ? 'error' : 'warning',
      word: '',
      text: `${left.error} more errors and ${left.warning} more warnings are not shown`,
    };
    return [...this.#kept, rest];
  }

  #add(severity: Diagnostic['severity'], { file, line, column }: Place, word: string, text: string): void {
    if (++this.#counts[severity] > DIAGNOSTICS_MAX) return;
    this.#kept.push({ file, line, column, severity, word: shorten(word), text });
  }
}

/** Characters of a word that a diagnostic repeats. */
const WORD_MAX = 64;

/** A word of a file as a diagnostic repeats it: short, and without what would upset a terminal or a log. */
function shorten(word: string): string {
  return printable(word.length > WORD_MAX ? `${word.slice(0, WORD_MAX)}...` : word);
}

function printable(text: string): string {
  return text.replace(/\p{C}/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
