// What the time went to: `node dist/bench/profile.js FOLDER` after `npm run bench -- SECTION --profile FOLDER`.
//
// For each program that left a profile there, the largest first: the time by part of the code, and by function.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const PROGRAMS_SHOWN = 5;
const PARTS_SHOWN = 14;
const FUNCTIONS_SHOWN = 30;

/** What of a .cpuprofile is needed: a tree of calls, and which of its nodes was running at each sample. */
interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Before each sample, in microseconds. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly children?: readonly number[];
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

/** Microseconds by function, which is a name and a place. */
type Times = ReadonlyMap<string, number>;

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('usage: profile.js FOLDER\n');
  process.exit(64);
}
const profiles = readdirSync(folder)
  .filter((file) => file.endsWith('.cpuprofile'))
  .map((file) => {
    const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile;
    return { file, profile, times: selfTimes(profile) };
  })
  .sort((a, b) => sum(b.times) - sum(a.times));
for (const { file, profile, times } of profiles.slice(0, PROGRAMS_SHOWN)) {
  const total = sum(times);
  process.stdout.write(`${file}: ${(total / 1e3).toFixed(0)} ms not idle\n`);
  show('by part', byPart(times), total, PARTS_SHOWN);
  show('by function, itself', times, total, FUNCTIONS_SHOWN);
  show('by function, with all that it calls', wholeTimes(profile), total, FUNCTIONS_SHOWN);
}

/** Time of each function itself, without what it calls; idle time is left out. */
function selfTimes({ nodes, samples, timeDeltas }: Profile): Times {
  const names = new Map(nodes.map((node) => [node.id, nameOf(node)]));
  const times = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? '';
    if (name === '(idle)') continue;
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[index] ?? 0));
  }
  return times;
}

/** Time of each function and all that it calls; one that calls itself counts once. */
function wholeTimes({ nodes, samples, timeDeltas }: Profile): Times {
  const own = new Map<number, number>();
  for (const [index, id] of samples.entries()) own.set(id, (own.get(id) ?? 0) + (timeDeltas[index] ?? 0));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const times = new Map<string, number>();
  const visit = (node: ProfileNode, callers: ReadonlySet<string>): number => {
    const name = nameOf(node);
    const inside = new Set(callers).add(name);
    let time = own.get(node.id) ?? 0;
    for (const child of node.children ?? []) {
      const callee = byId.get(child);
      if (callee !== undefined) time += visit(callee, inside);
    }
    if (!callers.has(name)) times.set(name, (times.get(name) ?? 0) + time);
    return time;
  };
  const [root] = nodes;
  if (root !== undefined) visit(root, new Set());
  for (const name of ['(root)', '(idle)']) times.delete(name);
  return times;
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  if (url === '') return functionName;
  return `${functionName || '(anonymous)'} ${url.replace(/^.*\/(?=dist\/|node_modules\/)/, '')}:${lineNumber + 1}`;
}

/** Packages, folders of ours, and what is not JavaScript. */
function byPart(times: Times): Times {
  const parts = new Map<string, number>();
  for (const [name, time] of times) {
    const [, place = ''] = name.split(' ');
    const match = /^node_modules\/(?:@[^/]+\/)?[^/]+|^dist\/.*(?=\/)|^node:/.exec(place);
    const part = match?.[0] ?? name;
    parts.set(part, (parts.get(part) ?? 0) + time);
  }
  return parts;
}

function show(title: string, times: Times, total: number, count: number): void {
  process.stdout.write(`  ${title}\n`);
  const sorted = [...times].sort(([, a], [, b]) => b - a).slice(0, count);
  for (const [name, time] of sorted) {
    const share = ((100 * time) / total).toFixed(1).padStart(5);
    process.stdout.write(`${share} %  ${(time / 1e3).toFixed(0).padStart(7)} ms  ${name}\n`);
  }
  process.stdout.write('\n');
}

function sum(times: Times): number {
  return [...times.values()].reduce((total, time) => total + time, 0);
}
