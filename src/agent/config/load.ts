// A configuration with the files that it includes. Decides; what it reads it is given.
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { INCLUDED_FILES_MAX, INCLUDE_DEPTH_MAX, INCLUDE_FOLDERS_MAX, RULES_FILE_MAX } from '../../model/limits.js';
import { checkStatements } from './check.js';
import { Findings, type Place } from './diagnostic.js';
import { expandPattern, isPattern } from './glob.js';
import { type Configuration, parseStatements } from './parse.js';
import type { IncludeStatement, Statement } from './statement.js';

/** What became of reading a file. */
export type FileContent =
  | { readonly kind: 'text'; readonly text: string; readonly bytes: number }
  | { readonly kind: 'missing' }
  | { readonly kind: 'folder' }
  | { readonly kind: 'too-large' }
  /** `reason` for people, such as `permission denied`. */
  | { readonly kind: 'unreadable'; readonly reason: string };

/** The file system, as far as a configuration needs it. Nothing of it throws. */
export interface FileReader {
  /** Reads a file of at most `bytesMax` bytes as UTF-8. */
  read(path: string, bytesMax: number): FileContent;
  /** The names in a folder, in any order; undefined if it is none or cannot be read. */
  list(folder: string): readonly string[] | undefined;
}

/** A configuration whose includes were followed: none is among its statements. */
export interface LoadedConfiguration extends Configuration {
  /** There is no such file, the first one; that is no error, and there are no statements. */
  readonly isMissing: boolean;
  /** All files that were read, in their order. */
  readonly files: readonly string[];
}

/**
 * Loads a file and what it includes, each include in its place. Relative patterns are relative to the folder of the file
 * that has them, files of one pattern come in the order of their names, and a pattern that matches nothing is nothing.
 * Never throws: all that is wrong is in the diagnostics.
 */
export function loadConfiguration(file: string, files: FileReader): LoadedConfiguration {
  const loading = new Loading(files);
  const isMissing = !loading.load(file, { file, line: 0, column: 0 }, '');
  checkStatements(loading.statements, loading.findings);
  const { statements, read } = loading;
  return { statements, diagnostics: loading.findings.toDiagnostics(), isMissing, files: read };
}

/** What has been loaded so far, and what may still be. */
class Loading {
  readonly statements: Statement[] = [];
  readonly findings = new Findings();
  readonly read: string[] = [];
  readonly #files: FileReader;
  /** The file that is being read and those that include it. */
  readonly #open: string[] = [];
  #bytesLeft = RULES_FILE_MAX;
  #foldersLeft = INCLUDE_FOLDERS_MAX;
  #isOverLimit = false;

  constructor(files: FileReader) {
    this.#files = files;
  }

  /** Loads one file; false if there is none. What is wrong with the file as such is told at `place`, of `word`. */
  load(path: string, place: Place, word: string): boolean {
    const content = this.#files.read(path, this.#bytesLeft);
    switch (content.kind) {
      case 'missing':
        return false;
      case 'folder':
        if (word === '') this.findings.error(place, word, 'is a folder');
        else
          this.findings.warning(place, word, 'is ignored: it is a folder, expected a file or a pattern such as DIR/*');
        return true;
      case 'unreadable':
        this.findings.error(place, word, about(path, word, `cannot be read: ${content.reason}`));
        return true;
      case 'too-large':
        this.#stop(place, word, about(path, word, `is too large: all files together may have ${RULES_FILE_MAX} bytes`));
        return true;
      case 'text':
        break;
    }
    this.read.push(path);
    this.#bytesLeft -= content.bytes;
    this.#open.push(normalize(path));
    for (const statement of parseStatements(content.text, path, this.findings)) {
      if (statement.kind === 'include') this.#include(statement, path);
      else this.statements.push(statement);
    }
    this.#open.pop();
    return true;
  }

  #include({ pattern, place: { file, line, column } }: IncludeStatement, from: string): void {
    const place = { file, line, column };
    const absolute = isAbsolute(pattern)
      ? normalize(pattern)
      : join(dirname(from).replace(/[*?[\\]/g, '\\$&'), pattern);
    const paths = expandPattern(absolute, (folder) => (this.#foldersLeft-- > 0 ? this.#files.list(folder) : undefined));
    if (this.#foldersLeft < 0) {
      this.#stop(place, pattern, `looks into too many folders: all patterns together may ${INCLUDE_FOLDERS_MAX}`);
    }
    for (const path of paths) {
      if (this.#isOverLimit) return;
      if (this.#open.includes(path)) {
        this.findings.error(place, pattern, `includes ${path}, which includes this file`);
      } else if (this.#open.length >= INCLUDE_DEPTH_MAX) {
        this.findings.error(
          place,
          pattern,
          `includes ${path} too deep: at most ${INCLUDE_DEPTH_MAX} files in one another`,
        );
      } else if (this.read.length >= INCLUDED_FILES_MAX) {
        this.#stop(place, pattern, `includes too many files: at most ${INCLUDED_FILES_MAX} are read`);
      } else {
        const exists = this.load(path, place, pattern);
        if (!exists && !isPattern(pattern)) this.findings.warning(place, pattern, 'is ignored: there is no such file');
      }
    }
  }

  /** Tells of a limit and reads no more files; it is not told twice. */
  #stop(place: Place, word: string, text: string): void {
    if (!this.#isOverLimit) this.findings.error(place, word, text);
    this.#isOverLimit = true;
  }
}

/** The sentence goes on from the word, or from the name of the file where that is another. */
function about(path: string, word: string, text: string): string {
  return word === '' || word === path ? text : `includes ${path}, which ${text}`;
}
