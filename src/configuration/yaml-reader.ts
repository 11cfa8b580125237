// Reads a YAML text value by value, straight from the nodes of its parser: what is wrong has a line and a column, and
// nothing is expanded. Pure.
import { CST, Lexer, LineCounter, type Node, isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import { quote } from '../api/parse.js';
import { nearestName } from '../model/spelling.js';
import { ConfigurationError, type Finding } from './configuration-error.js';
import { type NumberRule, complaintAboutNumber, expectedOf } from './number-rule.js';

/** A value of the file; undefined where there is none, or only null. */
export type Value = Node | undefined;

/** A map of the file whose keys are known. */
export interface Section {
  readonly node: Node;
  /** By key. */
  readonly values: ReadonlyMap<string, Value>;
}

/** Brackets within brackets, and indicators in one line; a file that means something has a handful. */
const DEPTH_MAX = 64;

/** Longest unknown key for which a known one is sought that is spelt alike. */
const HINTED_KEY_MAX = 64;

/** One file; what is wrong does not stop the reading, so that all is told at once. */
export class YamlReader {
  readonly #file: string;
  readonly #lines = new LineCounter();
  readonly #findings: { readonly offset: number; readonly text: string }[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  /** Parses the text. @throws ConfigurationError with all that is no YAML. */
  parse(text: string): Value {
    if (isTooDeep(text)) this.refuseAll(`has values within values, more than ${DEPTH_MAX} deep`);
    // The parser's own search for keys that are there twice takes the square of their number.
    const document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, uniqueKeys: false });
    for (const { pos, message } of document.errors) this.#refuseAt(pos[0], message);
    this.throwIfAny();
    return valueOf(document.contents);
  }

  /** Where the value is, as `line 5`. */
  lineOf(node: Node): string {
    return `line ${this.#lines.linePos(node.range?.[0] ?? 0).line}`;
  }

  refuse(node: Node, text: string): void {
    this.#refuseAt(node.range?.[0] ?? 0, text);
  }

  /** @throws ConfigurationError, always: nothing can be made of the file. */
  refuseAll(text: string, cause?: unknown): never {
    throw new ConfigurationError([{ where: this.#file, text }], cause);
  }

  throwIfAny(): void {
    if (this.#findings.length === 0) return;
    const inOrder = this.#findings.sort((a, b) => a.offset - b.offset);
    throw new ConfigurationError(inOrder.map(({ offset, text }) => this.#locate(offset, text)));
  }

  /** A map that has no other keys than these. `elsewhere` tells of keys that belong to another place. */
  section(
    node: Node,
    what: string,
    keys: readonly string[],
    elsewhere: (key: string) => string | undefined = () => undefined,
  ): Section | undefined {
    if (!isMap(node)) {
      this.#refuseKind(node, `${what} must be a map with ${keys.join(', ')}`);
      return undefined;
    }
    const values = new Map<string, Value>();
    for (const { key, value } of node.items) {
      const name = isScalar(key) && typeof key.value === 'string' ? key.value : undefined;
      const keyNode = isScalar(key) ? key : node;
      if (name === undefined || !keys.includes(name)) this.#refuseKey(keyNode, name, keys, elsewhere);
      else if (values.has(name)) this.refuse(keyNode, `'${name}' is told twice`);
      else values.set(name, valueOf(value as Node | null));
    }
    return { node, values };
  }

  /** The items of a list; none where it is missing. */
  items(node: Value, what: string): readonly Node[] {
    if (node === undefined) return [];
    if (!isSeq(node)) {
      this.#refuseKind(node, `${what} must be a list`);
      return [];
    }
    return (node.items as readonly Node[]).flatMap((item) => {
      if (valueOf(item) !== undefined) return [item];
      this.refuse(item, `an item of ${what} is empty`);
      return [];
    });
  }

  /** A text that the rule has nothing against; a number is taken as it is written, since names may look so. */
  text(node: Value, what: string, complaintAbout: (text: string) => string | undefined): string | undefined {
    if (node === undefined) return undefined;
    const text = textOf(node);
    if (text === undefined) {
      this.#refuseKind(node, `${what} must be a text${isScalar(node) ? `, not ${String(node.value)}: quote it` : ''}`);
      return undefined;
    }
    const complaint = complaintAbout(text);
    if (complaint === undefined) return text;
    this.refuse(node, complaint);
    return undefined;
  }

  /** One of some words. */
  word<Word extends string>(node: Value, what: string, words: readonly Word[]): Word | undefined {
    const find = (text: string) => words.find((word) => word === text);
    const text = this.text(node, what, (given) => {
      if (find(given) !== undefined) return undefined;
      return `${quote(given)} is no value of ${what}: ${hintOf(given, words) ?? words.join(', ')}`;
    });
    return text === undefined ? undefined : find(text);
  }

  number(node: Value, rule: NumberRule): number | undefined {
    if (node === undefined) return undefined;
    if (!isScalar(node) || typeof node.value !== 'number') {
      const shown = isScalar(node) ? `${quote(String(node.value))} is not ${rule.what}: ` : `${rule.what}: `;
      this.#refuseKind(node, `${shown}${expectedOf(rule)}`);
      return undefined;
    }
    const complaint = complaintAboutNumber(node.value, rule);
    if (complaint === undefined) return node.value;
    this.refuse(node, complaint);
    return undefined;
  }

  boolean(node: Value, what: string): boolean | undefined {
    if (node === undefined) return undefined;
    if (isScalar(node) && typeof node.value === 'boolean') return node.value;
    // `yes` and `no` are texts in YAML 1.2.
    this.#refuseKind(node, `${what} must be true or false`);
    return undefined;
  }

  #refuseKind(node: Node, text: string): void {
    this.refuse(node, isAlias(node) ? `an alias (*${node.source}) is not taken here: write it out` : text);
  }

  #refuseKey(
    node: Node,
    name: string | undefined,
    keys: readonly string[],
    elsewhere: (key: string) => string | undefined,
  ): void {
    if (name === undefined) {
      this.refuse(node, `keys must be words: ${keys.join(', ')}`);
      return;
    }
    const hint = elsewhere(name) ?? hintOf(name, keys) ?? `known are ${keys.join(', ')}`;
    this.refuse(node, `${quote(name)} is not known here: ${hint}`);
  }

  #refuseAt(offset: number, text: string): void {
    this.#findings.push({ offset, text });
  }

  #locate(offset: number, text: string): Finding {
    const { line, col } = this.#lines.linePos(offset);
    return { where: `${this.#file}:${line}:${col}`, text };
  }
}

// Tokens of the lexer.
const FLOW_STARTS: ReadonlySet<string> = new Set(['flow-seq-start', 'flow-map-start']);
const FLOW_ENDS: ReadonlySet<string> = new Set(['flow-seq-end', 'flow-map-end']);
const BLOCK_INDICATORS: ReadonlySet<string> = new Set(['seq-item-ind', 'explicit-key-ind', 'map-value-ind']);

/** Whether values nest deeper than the parser, which calls itself for each, can be let loose on. */
function isTooDeep(text: string): boolean {
  let flowDepth = 0;
  let itemsInLine = 0;
  for (const token of new Lexer().lex(text)) {
    const type = CST.tokenType(token) ?? '';
    if (FLOW_STARTS.has(type)) flowDepth++;
    else if (FLOW_ENDS.has(type)) flowDepth--;
    else if (type === 'newline') itemsInLine = 0;
    // Those of a flow collection are beside one another, not within.
    else if (flowDepth === 0 && BLOCK_INDICATORS.has(type)) itemsInLine++;
    if (flowDepth > DEPTH_MAX || itemsInLine > DEPTH_MAX) return true;
  }
  return false;
}

/** A key without a value, `null` and `~` say nothing. */
function valueOf(node: Node | null): Value {
  return node === null || (isScalar(node) && node.value === null) ? undefined : node;
}

function textOf(node: Node): string | undefined {
  if (!isScalar(node)) return undefined;
  if (typeof node.value === 'string') return node.value;
  return typeof node.value === 'number' ? node.source : undefined;
}

function hintOf(text: string, words: readonly string[]): string | undefined {
  const nearest = text.length > HINTED_KEY_MAX ? undefined : nearestName(text, words);
  return nearest === undefined ? undefined : `did you mean '${nearest}'?`;
}
