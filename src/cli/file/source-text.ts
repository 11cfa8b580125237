// A YAML or JSON text as plain values, and where in it each value stands. Pure.
import { type Document, LineCounter, isCollection, isMap, isNode, isScalar, parseDocument } from 'yaml';
import { CliError } from '../errors.js';

/** The way to a value: keys and indices from the top. */
export type Path = readonly (string | number)[];

/** A parsed text. */
export interface SourceText {
  /** Name for messages. */
  readonly name: string;
  readonly value: unknown;
  /** `NAME:LINE`, or `NAME:LINE:COLUMN`, of the value at the path, or of what of it there is; `atKey`: of its key. */
  locate(path: Path, atKey?: boolean): string;
}

/** Longest JSON text that is parsed a second time to learn the line of an error, in characters. */
const LOCATED_JSON_MAX = 16 * 1024 * 1024;

/**
 * Parses a text. JSON goes the fast way, since programs write a million resources in it; its lines are only looked
 * up when something is wrong. `hasColumns`: places have columns too.
 *
 * @throws CliError BAD_FILE with the lines of all syntax errors.
 */
export function parseSourceText(text: string, name: string, { hasColumns = false } = {}): SourceText {
  const json = parseJson(text);
  if (json === undefined) return parseYaml(text, name, hasColumns);
  let located: SourceText | undefined;
  const locate = (path: Path, atKey = false) => {
    if (text.length > LOCATED_JSON_MAX) return name;
    located ??= parseYaml(text, name, hasColumns);
    return located.locate(path, atKey);
  };
  return { name, value: json.value, locate };
}

/** Writes a path as people do: `routes[3].oifs[0].interface`. */
export function pathText(path: Path): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
}

function parseJson(text: string): { readonly value: unknown } | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return { value: JSON.parse(text) };
  } catch {
    // It may be YAML's flow style; if it is not, the YAML parser tells the line.
    return undefined;
  }
}

function parseYaml(text: string, name: string, hasColumns: boolean): SourceText {
  const lines = new LineCounter();
  const placeOf = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return hasColumns ? `${name}:${line}:${col}` : `${name}:${line}`;
  };
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    const found = document.errors.map(({ pos, message }) => `${placeOf(pos[0])}: ${message}`);
    throw new CliError('BAD_FILE', found[0] ?? name, found.slice(1));
  }
  return {
    name,
    value: plainValue(document, name),
    locate: (path, atKey = false) => {
      const offset = offsetOf(document, path, atKey);
      return offset === undefined ? name : placeOf(offset);
    },
  };
}

function plainValue(document: Document, name: string): unknown {
  try {
    return document.toJS() as unknown;
  } catch (error) {
    // Aliases that multiply without end, the one thing that only shows here.
    throw new CliError('BAD_FILE', `${name}: ${error instanceof Error ? error.message : String(error)}`, [], error);
  }
}

/** The place of the deepest part of the path that there is. */
function offsetOf(document: Document, path: Path, atKey: boolean): number | undefined {
  for (let depth = path.length; depth >= 0; depth--) {
    const node = depth === 0 ? document.contents : document.getIn(path.slice(0, depth), true);
    if (!isNode(node) || !node.range) continue;
    if (depth > 0 && (atKey || isCollection(node))) {
      const key = keyOffset(document, path.slice(0, depth));
      if (key !== undefined) return key;
    }
    return node.range[0];
  }
  return undefined;
}

function keyOffset(document: Document, path: Path): number | undefined {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return undefined;
  const pair = parent.items.find(({ key }) => isScalar(key) && key.value === path.at(-1));
  return isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
}
