// What a run of the hook prints, as lines for the log: not too many, and not too long. Pure.
import { HOOK_LINE_MAX, HOOK_LINES_MAX } from '../../model/limits.js';

export interface OutputLine {
  readonly from: 'stdout' | 'stderr';
  readonly text: string;
}

/** Lines of both streams share one limit; if there are more, one line after the last says so. */
export class HookOutput {
  readonly #begun = { stdout: '', stderr: '' };
  /** With that which says that there is more. */
  #left = HOOK_LINES_MAX + 1;

  /** The lines that end here; empty ones say nothing. Undefined: nothing more is taken. */
  take(from: OutputLine['from'], chunk: string): OutputLine[] | undefined {
    if (this.#left === 0) return undefined;
    const lines: OutputLine[] = [];
    let start = 0;
    for (let end = chunk.indexOf('\n'); end !== -1 && this.#left > 0; end = chunk.indexOf('\n', start)) {
      this.#add(from, chunk.slice(start, end));
      lines.push(...this.#endLine(from));
      start = end + 1;
    }
    this.#add(from, chunk.slice(start));
    return lines;
  }

  /** The lines that have begun. */
  end(): OutputLine[] {
    return [...this.#endLine('stdout'), ...this.#endLine('stderr')];
  }

  #add(from: OutputLine['from'], text: string): void {
    this.#begun[from] += text.slice(0, HOOK_LINE_MAX - this.#begun[from].length);
  }

  #endLine(from: OutputLine['from']): OutputLine[] {
    const text = this.#begun[from].trimEnd();
    this.#begun[from] = '';
    if (text === '' || this.#left === 0) return [];
    this.#left--;
    return [{ from, text: this.#left === 0 ? '(the rest is dropped)' : text }];
  }
}
