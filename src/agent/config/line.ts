// One line while it is read: the words that are left, and what is found wrong with those that were. Pure.
import type { Findings, Place } from './diagnostic.js';
import { type KeywordReader, type Vocabulary, listKeywords } from './keywords.js';
import type { Word } from './scan.js';

/** What the lines of a file have in common. */
export interface LineContext {
  readonly file: string;
  readonly findings: Findings;
  readonly keywords: KeywordReader;
}

/** What continues a line elsewhere; here it is ignored at the end and is never a value. */
export const CONTINUATION = '\\';

/** The words of a line, taken from the left. */
export class Line {
  /** The first word, which says what the statement is. */
  readonly first: Word;
  readonly place: Place;
  readonly #context: LineContext;
  readonly #words: readonly Word[];
  /** A handful at most: a Set costs more than all else of a line. */
  readonly #seen: string[] = [];
  #next = 1;
  #usesOwn: boolean | undefined;
  #isRefused = false;

  constructor(first: Word, words: readonly Word[], number: number, context: LineContext) {
    this.first = first;
    this.place = { file: context.file, line: number, column: first.column };
    this.#context = context;
    const last = words.at(-1);
    if (last?.text !== CONTINUATION || words.length === 1) {
      this.#words = words;
    } else {
      this.#words = words.slice(0, -1);
      this.warning(last, 'is ignored: a statement ends with its line');
    }
  }

  /** Whether something is wrong, so that no statement is to be made of the line. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** Takes the next word. */
  next(): Word | undefined {
    return this.#words[this.#next++];
  }

  /** The next word, not taken. */
  peek(): Word | undefined {
    return this.#words[this.#next];
  }

  /** Whether the keyword was there. */
  has(keyword: string): boolean {
    return this.#seen.includes(keyword);
  }

  /**
   * What keyword the word is; undefined, and told, if it is none that the statement knows.
   *
   * @param isRepeatable whether the keyword may stand several times, each adding to the others.
   */
  keyword<K extends string>(
    word: Word,
    vocabulary: Vocabulary<K>,
    isRepeatable: (keyword: K) => boolean,
  ): K | undefined {
    const reading = this.#context.keywords.read(word.text, vocabulary);
    if (reading.kind !== 'keyword') {
      const isOwnSpelling = reading.kind === 'misspelt' && reading.isOwn;
      const expected =
        reading.kind === 'misspelt' ? `did you mean '${reading.meant}'?` : `expected ${listKeywords(vocabulary)}`;
      const problem = `is not a word of ${vocabulary.name}`;
      if (isOwnSpelling || reading.kind === 'too-many' || this.#isOurs(vocabulary)) {
        this.error(word, `${problem}: ${expected}`);
      } else {
        this.warning(word, `${problem} and is ignored: ${expected}`);
      }
      return undefined;
    }
    const { keyword } = reading;
    if (!reading.isExact) this.warning(word, `is read as '${keyword}'`);
    if (!this.#seen.includes(keyword)) this.#seen.push(keyword);
    else if (!isRepeatable(keyword)) this.warning(word, 'is here a second time: the last one counts');
    return keyword;
  }

  /** Something that makes the line no statement. */
  error(word: Word, text: string): void {
    this.#isRefused = true;
    this.#context.findings.error(this.#placeOf(word), word.text, text);
  }

  warning(word: Word, text: string): void {
    this.#context.findings.warning(this.#placeOf(word), word.text, text);
  }

  /** Makes no statement of the line, without an error: smcrouted takes it, and it has no effect. */
  leaveOut(word: Word, text: string): void {
    this.#isRefused = true;
    this.warning(word, `${text}: the line is left out`);
  }

  /** Whether a word says that the line was never one for smcrouted: nothing has to be ignored then. */
  #isOurs({ own }: Vocabulary<string>): boolean {
    return (this.#usesOwn ??= this.#words.some(({ text }) => own.includes(text)));
  }

  #placeOf({ column }: Word): Place {
    return { file: this.place.file, line: this.place.line, column };
  }
}
