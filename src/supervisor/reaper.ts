// Removes what an agent that is gone may have left: the kernel takes a table's entries away with its last socket, but not
// its mrules, and packets that these lead to a table nobody serves go nowhere.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { answersAt } from '../api/unix-server.js';
import type { Family } from '../model/address.js';
import { MRULE_PROTOCOL } from '../model/mrule.js';
import type { Logger } from '../runtime/log.js';

/** Where orphans are looked for, and who is none. */
export interface OrphanSearch {
  /** Tables that the supervisor has. */
  readonly tables: ReadonlySet<number>;
  /** Where agents that run without the supervisor have their sockets. */
  readonly runtimeDirectory: string;
  /** Undefined: the supervisor's own namespace. */
  readonly netns: string | undefined;
}

/** Finds tables that mrules of mcroute lead to and that nobody serves, in the order of their ids. */
export async function findOrphans({ tables, runtimeDirectory, netns }: OrphanSearch, log: Logger): Promise<number[]> {
  const led = new Set((await listMrules(netns, log)).map(({ table }) => table));
  const orphans: number[] = [];
  for (const table of [...led].sort((a, b) => a - b)) {
    if (tables.has(table) || (await answersAt(join(runtimeDirectory, `${table}.sock`)))) continue;
    if (await isKept(table, netns)) continue;
    orphans.push(table);
  }
  return orphans;
}

/**
 * Removes the mrules of mcroute that lead to the tables, of both families. Nobody may serve these.
 *
 * @returns how many were there.
 */
export async function removeMrules(tables: readonly number[], netns: string | undefined, log: Logger): Promise<number> {
  if (tables.length === 0) return 0;
  let removed = 0;
  for (const rule of await listMrules(netns, log)) {
    if (!tables.includes(rule.table)) continue;
    const { family, table, selectors, priority } = rule;
    const words = ['mrule', 'del', ...selectors, 'table', String(table), 'priority', String(priority)];
    const output = await runIp(family, [...words, 'protocol', String(MRULE_PROTOCOL)], netns);
    if (output instanceof Error) log.warn({ table, family, reason: output.message }, 'an mrule was not removed');
    else removed++;
  }
  if (removed > 0) log.info({ tables, netns, removed }, 'mrules that nobody serves were removed');
  return removed;
}

/**
 * The kernel has entries of a table only while somebody has its socket, such as systemd for an agent of its own that is
 * being restarted.
 */
async function isKept(table: number, netns: string | undefined): Promise<boolean> {
  for (const family of ['ipv4', 'ipv6'] as const) {
    const output = await runIp(family, ['mroute', 'show', 'table', String(table)], netns);
    // It is an error if there never was such a table.
    if (!(output instanceof Error) && output.trim() !== '') return true;
  }
  return false;
}

/** An mrule of mcroute. */
interface OwnMrule {
  readonly family: Family;
  readonly table: number;
  readonly priority: number;
  /** Words such as `iif eth0`. */
  readonly selectors: readonly string[];
}

/** A rule as `ip -json -N mrule show` has it: numbers of names are texts. */
interface ShownRule {
  readonly table?: string;
  readonly protocol?: string;
  readonly priority?: number;
  readonly iif?: string;
  readonly oif?: string;
}

const FAMILY_OPTIONS = { ipv4: '-4', ipv6: '-6' } as const satisfies Record<Family, string>;

/** Longest run of a command, and bytes that it may print: a rule has some 150. */
const RUN_LIMIT_MS = 10_000;
const OUTPUT_MAX = 64 * 1024 * 1024;

const run = promisify(execFile);

async function listMrules(netns: string | undefined, log: Logger): Promise<OwnMrule[]> {
  const found: OwnMrule[] = [];
  for (const family of ['ipv4', 'ipv6'] as const) {
    const output = await runIp(family, ['-json', '-N', 'mrule', 'show'], netns);
    if (output instanceof Error) {
      if (!isUnsupported(output)) log.warn({ family, netns, reason: output.message }, 'mrules cannot be listed');
      continue;
    }
    for (const rule of parseRules(output)) {
      if (rule.protocol !== String(MRULE_PROTOCOL)) continue;
      const selectors = [
        ...(rule.iif === undefined ? [] : ['iif', rule.iif]),
        ...(rule.oif === undefined ? [] : ['oif', rule.oif]),
      ];
      found.push({ family, table: Number(rule.table), priority: rule.priority ?? 0, selectors });
    }
  }
  return found;
}

/** Nothing is printed where there are no rules at all. */
function parseRules(output: string): readonly ShownRule[] {
  return output.trim() === '' ? [] : (JSON.parse(output) as readonly ShownRule[]);
}

/** Runs ip(8); an error is a value, for nothing here is worth ending for. */
async function runIp(family: Family, words: readonly string[], netns: string | undefined): Promise<string | Error> {
  const ip = ['ip', FAMILY_OPTIONS[family], ...words];
  // Not `ip -n`, which remounts /sys and needs more rights than to enter the namespace.
  const [program = 'ip', ...rest] = netns === undefined ? ip : ['nsenter', `--net=/run/netns/${netns}`, '--', ...ip];
  try {
    const { stdout } = await run(program, rest, {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      maxBuffer: OUTPUT_MAX,
      timeout: RUN_LIMIT_MS,
    });
    return stdout;
  } catch (error) {
    return failureOf(error, program);
  }
}

function failureOf(error: unknown, program: string): Error {
  const { code, stderr = '', message } = error as NodeJS.ErrnoException & { readonly stderr?: string };
  if (code === 'ENOENT') return new Error(`'${program}' is not installed or not in PATH`, { cause: error });
  return new Error(stderr.trim() === '' ? message : stderr.trim(), { cause: error });
}

/** A kernel without the family, or without mrules of it, has none. */
function isUnsupported(error: Error): boolean {
  return /not supported|protocol not available/i.test(error.message);
}
