// The text of a configuration into statements. Pure.
import { type Prefix, addressLength, anyPrefix, formatPrefix, isAny } from '../../model/address.js';
import {
  BOUNDARIES_PER_INTERFACE_MAX,
  EXCEPTS_PER_MROUTE_MAX,
  OIFS_PER_MROUTE_MAX,
  PAIRS_PER_MEMBERSHIP_MAX,
  RULES_FILE_MAX,
  WORDS_PER_LINE_MAX,
} from '../../model/limits.js';
import type { Oif } from '../../model/mroute.js';
import { checkStatements } from './check.js';
import { type Diagnostic, Findings } from './diagnostic.js';
import { KeywordReader, type Vocabulary, listKeywords } from './keywords.js';
import { CONTINUATION, Line, type LineContext } from './line.js';
import { type Word, scanLine } from './scan.js';
import type { IncludeStatement, MgroupStatement, MrouteStatement, PhyintStatement, Statement } from './statement.js';
import { parseExcept, parseGroup, parseInterface, parseOif, parseSource, parseThreshold } from './values.js';

/** A configuration as far as it can be understood. It is refused if a diagnostic is an error (`hasErrors`). */
export interface Configuration {
  /** Of the lines without an error, in their order. */
  readonly statements: readonly Statement[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Parses the text of one file; `include` statements stay statements. Never throws: all that is wrong is in the
 * diagnostics.
 *
 * @param file how diagnostics name it.
 */
export function parseConfiguration(text: string, file: string): Configuration {
  const findings = new Findings();
  const statements = parseStatements(text, file, findings);
  checkStatements(statements, findings);
  return { statements, diagnostics: findings.toDiagnostics() };
}

/** Errors of one file after which the rest of it is not read: it is no configuration. */
const ERRORS_PER_FILE_MAX = 10_000;

/** The statements of one file, not yet checked against each other. */
export function parseStatements(text: string, file: string, findings: Findings): Statement[] {
  const whole = { file, line: 0, column: 0 };
  if (text.length > RULES_FILE_MAX) {
    findings.error(whole, '', `is larger than ${RULES_FILE_MAX} bytes`);
    return [];
  }
  // What a power cut leaves of a file may be zeros; to be read as empty it would take all routes away.
  if (text.includes('\0')) {
    findings.error(whole, '', 'has zero bytes: it is not a text, or it is damaged');
    return [];
  }
  const context: LineContext = { file, findings, keywords: new KeywordReader() };
  const statements: Statement[] = [];
  let errors = 0;
  let number = 0;
  // An editor may have put a byte order mark first.
  for (let start = text.startsWith('\ufeff') ? 1 : 0; start < text.length;) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    const words = scanLine(text, start, end, WORDS_PER_LINE_MAX + 1);
    const [first] = words;
    number++;
    start = end + 1;
    if (first === undefined) continue;
    const line = new Line(first, words, number, context);
    if (words.length > WORDS_PER_LINE_MAX) {
      line.error(first, `begins a line of more than ${WORDS_PER_LINE_MAX} words`);
    } else {
      const statement = parseStatement(line, context.keywords);
      if (statement !== undefined && !line.isRefused) statements.push(statement);
    }
    if (line.isRefused && ++errors === ERRORS_PER_FILE_MAX) {
      findings.error(line.place, '', `the rest is not read: ${ERRORS_PER_FILE_MAX} lines make no sense`);
      break;
    }
  }
  return statements;
}

const STATEMENTS: Vocabulary<Statement['kind']> = {
  name: 'smcroute.conf',
  shared: ['phyint', 'mgroup', 'mroute', 'include'],
  own: [],
};

function parseStatement(line: Line, keywords: KeywordReader): Statement | undefined {
  const { first } = line;
  const reading = keywords.read(first.text, STATEMENTS);
  if (reading.kind !== 'keyword') {
    const expected = reading.kind === 'misspelt' ? `did you mean '${reading.meant}'?` : listStatements();
    line.error(first, `is not a statement: ${expected}`);
    return undefined;
  }
  if (!reading.isExact) line.warning(first, `is read as '${reading.keyword}'`);
  switch (reading.keyword) {
    case 'phyint':
      return parsePhyint(line);
    case 'mgroup':
      return parseMgroup(line);
    case 'mroute':
      return parseMroute(line);
    case 'include':
      return parseInclude(line);
  }
}

function listStatements(): string {
  return `expected ${listKeywords(STATEMENTS)}`;
}

const PHYINT: Vocabulary<'enable' | 'disable' | 'mrdisc' | 'ttl-threshold' | 'querier' | 'boundary'> = {
  name: 'phyint',
  shared: ['enable', 'disable', 'mrdisc', 'ttl-threshold'],
  own: ['querier', 'boundary'],
};

function parsePhyint(line: Line): PhyintStatement | undefined {
  const name = line.next();
  if (name === undefined) {
    line.error(line.first, 'has no interface: expected phyint IF');
    return undefined;
  }
  const interfaceName = parseInterface(line, name);
  let isEnabled: boolean | undefined;
  let ttlThreshold: number | undefined;
  const boundaries: Prefix[] = [];
  for (let word = line.next(); word !== undefined; word = line.next()) {
    const keyword = line.keyword(word, PHYINT, (repeated) => repeated === 'boundary');
    switch (keyword) {
      case 'enable':
      case 'disable':
        if (isEnabled !== undefined && line.has(keyword === 'enable' ? 'disable' : 'enable')) {
          line.warning(word, 'contradicts what stands before it: the last one counts');
        }
        isEnabled = keyword === 'enable';
        break;
      case 'ttl-threshold':
        ttlThreshold = parseThreshold(line, word, line.next());
        break;
      case 'boundary': {
        const value = valueAfter(line, word, PHYINT, 'a group or a prefix of groups');
        const group = value && parseGroup(line, value);
        if (group !== undefined) boundaries.push(group);
        break;
      }
      case 'mrdisc':
      case 'querier':
      case undefined:
        break;
    }
  }
  if (boundaries.length > BOUNDARIES_PER_INTERFACE_MAX) {
    line.error(line.first, `has more than ${BOUNDARIES_PER_INTERFACE_MAX} boundaries`);
  }
  if (interfaceName === undefined) return undefined;
  return {
    kind: 'phyint',
    place: line.place,
    interface: interfaceName,
    isEnabled,
    mrdisc: line.has('mrdisc'),
    querier: line.has('querier'),
    ttlThreshold,
    boundaries,
  };
}

const MGROUP: Vocabulary<'from' | 'source' | 'group'> = {
  name: 'mgroup',
  shared: ['from', 'source', 'group'],
  own: [],
};

function parseMgroup(line: Line): MgroupStatement | undefined {
  const flow: Flow = { iif: undefined, source: undefined, group: undefined };
  for (let word = line.next(); word !== undefined; word = line.next()) {
    const keyword = line.keyword(word, MGROUP, () => false);
    if (keyword !== undefined) readFlow(line, word, keyword, MGROUP, flow);
  }
  const whole = completeFlow(line, flow);
  if (whole === undefined) return undefined;
  const { source, group } = whole;
  const bits = addressLength(group.address.family);
  const pairs = 2 ** (bits - group.length) * (isAny(source) ? 1 : 2 ** (bits - source.length));
  if (pairs > PAIRS_PER_MEMBERSHIP_MAX) {
    line.error(line.first, `stands for more than ${PAIRS_PER_MEMBERSHIP_MAX} joins: expected longer prefixes`);
    return undefined;
  }
  return { kind: 'mgroup', place: line.place, ...whole };
}

const MROUTE: Vocabulary<'from' | 'source' | 'group' | 'to' | 'except'> = {
  name: 'mroute',
  shared: ['from', 'source', 'group', 'to'],
  own: ['except'],
};

function parseMroute(line: Line): MrouteStatement | undefined {
  const flow: Flow = { iif: undefined, source: undefined, group: undefined };
  const except: Prefix[] = [];
  const oifs: Oif[] = [];
  for (let word = line.next(); word !== undefined; word = line.next()) {
    const keyword = line.keyword(word, MROUTE, (repeated) => repeated === 'except' || repeated === 'to');
    if (keyword === 'to') readOifs(line, word, oifs);
    else if (keyword === 'except') readExcept(line, word, except);
    else if (keyword !== undefined) readFlow(line, word, keyword, MROUTE, flow);
  }
  if (oifs.length > OIFS_PER_MROUTE_MAX) line.error(line.first, `has more than ${OIFS_PER_MROUTE_MAX} oifs`);
  if (except.length > EXCEPTS_PER_MROUTE_MAX) {
    line.error(line.first, `has more than ${EXCEPTS_PER_MROUTE_MAX} prefixes to except`);
  }
  const whole = completeFlow(line, flow);
  if (whole === undefined) return undefined;
  const stranger = except.find(({ address }) => address.family !== whole.group.address.family);
  if (stranger !== undefined) {
    line.error(line.first, `has a group and except ${formatPrefix(stranger)}: expected both of one family`);
    return undefined;
  }
  return { kind: 'mroute', place: line.place, ...whole, except, oifs };
}

/** Takes the oifs: all words to the end of the line, or to `except`. */
function readOifs(line: Line, to: Word, oifs: Oif[]): void {
  const before = oifs.length;
  for (let word = line.peek(); word !== undefined && word.text !== 'except'; word = line.peek()) {
    line.next();
    if (isKeyword(word, MROUTE)) line.warning(word, "is read as an interface: what follows 'to' are oifs");
    const oif = parseOif(line, word);
    if (oif !== undefined) oifs.push(oif);
  }
  if (oifs.length === before && !line.isRefused) {
    line.warning(to, 'names no oif: packets that match are dropped');
  }
}

/** Takes a list; where a comma ends a word or begins the next, it goes on with that. */
function readExcept(line: Line, keyword: Word, except: Prefix[]): void {
  const expected = 'addresses or prefixes of senders, parted by commas';
  const before = except.length;
  for (let word = valueAfter(line, keyword, MROUTE, expected); word !== undefined;) {
    except.push(...parseExcept(line, word));
    const goesOn = word.text.endsWith(',') || line.peek()?.text.startsWith(',');
    word = goesOn ? valueAfter(line, word, MROUTE, expected) : undefined;
  }
  if (except.length === before && !line.isRefused) line.error(keyword, `has nothing behind it: expected ${expected}`);
}

interface Flow {
  iif: string | undefined;
  source: Prefix | undefined;
  group: Prefix | undefined;
}

function readFlow(
  line: Line,
  word: Word,
  keyword: 'from' | 'source' | 'group',
  vocabulary: Vocabulary<string>,
  flow: Flow,
): void {
  if (keyword === 'from') {
    // Any word: an interface may have the name of a keyword.
    const name = line.next();
    if (name === undefined) line.error(word, 'has nothing behind it: expected an interface');
    else flow.iif = parseInterface(line, name);
    return;
  }
  const value = valueAfter(line, word, vocabulary, 'an address or a prefix');
  if (value === undefined) return;
  if (keyword === 'source') flow.source = parseSource(line, value);
  else flow.group = parseGroup(line, value);
}

/** The flow, if all that it needs is there and of one family. */
function completeFlow(line: Line, flow: Flow): { iif: string; source: Prefix; group: Prefix } | undefined {
  if (!line.has('from')) line.error(line.first, "has no iif: expected 'from' and an interface");
  if (!line.has('group')) line.error(line.first, "has no group: expected 'group' and an address or a prefix");
  const { iif, source, group } = flow;
  if (iif === undefined || group === undefined || line.isRefused) return undefined;
  const { family } = group.address;
  if (source !== undefined && source.address.family !== family) {
    line.error(line.first, 'has a source and a group of different families: expected both IPv4 or both IPv6');
    return undefined;
  }
  return { iif, source: source ?? anyPrefix(family), group };
}

function parseInclude(line: Line): IncludeStatement | undefined {
  const pattern = line.next();
  if (pattern === undefined || pattern.text === CONTINUATION) {
    line.error(line.first, 'has no file: expected include FILE or a pattern of files');
    return undefined;
  }
  if (pattern.text.length > PATTERN_MAX) {
    line.error(pattern, `is longer than ${PATTERN_MAX} characters`);
    return undefined;
  }
  const extra = line.next();
  if (extra !== undefined) line.warning(extra, 'is ignored: expected one file or pattern');
  return { kind: 'include', place: { ...line.place, column: pattern.column }, pattern: pattern.text };
}

/** Longest pattern of `include`, in characters: a path (PATH_MAX in the kernel). */
const PATTERN_MAX = 4_096;

/** Takes the value of a keyword; told if there is none, which is also so where another keyword follows. */
function valueAfter(line: Line, word: Word, vocabulary: Vocabulary<string>, expected: string): Word | undefined {
  const next = line.peek();
  if (next === undefined || isKeyword(next, vocabulary)) {
    line.error(word, `has nothing behind it: expected ${expected}`);
    return undefined;
  }
  return line.next();
}

function isKeyword({ text }: Word, { shared, own }: Vocabulary<string>): boolean {
  return shared.includes(text) || own.includes(text);
}
