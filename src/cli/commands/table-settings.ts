// The options of `table create`. Whether names and times are valid is for the supervisor to say.
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { TableSettings } from '../../api/generated/mcroute/v1/TableSettings.js';

export interface CreateOptions {
  readonly name?: string;
  readonly user?: string;
  readonly netns?: string;
  readonly config?: string;
  readonly families?: readonly WireFamily[];
  readonly cacheTimeout?: number;
  readonly starG?: 'kernel' | 'learn';
  readonly mrules: boolean;
  readonly mrulePriority?: number;
  readonly realtime: boolean;
  readonly logLevel?: string;
  readonly watchdog?: number;
}

type WireFamily = 'FAMILY_IPV4' | 'FAMILY_IPV6';

const FAMILIES = new Map<string, WireFamily>([
  ['ipv4', 'FAMILY_IPV4'],
  ['ipv6', 'FAMILY_IPV6'],
]);

/** Adds the options to the command. */
export function withSettingOptions(command: Command): Command {
  return command
    .option('--name <name>', 'a name for people, which --table takes too')
    .option('--user <user[:group]>', 'who the agent runs as')
    .option('--netns <name>', "the network namespace, as 'ip netns' has it")
    .option('--config <file>', 'a file in the grammar of smcroute.conf, by its full path', readPath)
    .option('--families <list>', 'ipv4, ipv6 or both with a comma', readFamilies)
    .option('--cache-timeout <seconds>', 'idle time after which learned entries go; 0 is never', readWhole(0))
    .addOption(new Option('--star-g <how>', '(*,G) rules: entries of the kernel, or learned').choices(STAR_G))
    .option('--no-mrules', 'make no rules (ip mrule); something else leads the packets to the table')
    .option('--mrule-priority <n>', 'priority of these rules', readWhole(1))
    .option('--no-realtime', 'answer upcalls at normal priority')
    .option('--log-level <level>', 'none, err, notice, info or debug')
    .option(
      '--watchdog <seconds>',
      'time without a sign of life after which the agent is replaced; 0 is never',
      readWhole(0),
    );
}

/** What is not given is left out, for the supervisor to choose. */
export function settingsOf(options: CreateOptions): TableSettings {
  const { name, user, netns, config, families, cacheTimeout, starG, mrulePriority, logLevel, watchdog } = options;
  return {
    ...(name !== undefined && { name }),
    ...(user !== undefined && { user }),
    ...(netns !== undefined && { netns }),
    ...(config !== undefined && { configFile: config }),
    ...(families !== undefined && { families: [...families] }),
    ...(cacheTimeout !== undefined && { cacheTimeout: { seconds: cacheTimeout } }),
    ...(starG !== undefined && { starG: starG === 'learn' ? 'STAR_G_LEARN' : 'STAR_G_KERNEL' }),
    noMrules: !options.mrules,
    ...(mrulePriority !== undefined && { mrulePriority }),
    noRealtime: !options.realtime,
    ...(logLevel !== undefined && { logLevel }),
    ...(watchdog !== undefined && { watchdog: { seconds: watchdog } }),
  };
}

const STAR_G = ['kernel', 'learn'] as const;

/** Largest number that field holds (uint32). */
const NUMBER_MAX = 0xffff_ffff;

/** The supervisor has another working directory. */
function readPath(text: string): string {
  return resolve(text);
}

function readFamilies(text: string): readonly WireFamily[] {
  const families = text.split(',').map((word) => FAMILIES.get(word.trim()));
  const known = families.filter((family) => family !== undefined);
  if (known.length < families.length) throw new InvalidArgumentError('Families are ipv4, ipv6 or ipv4,ipv6.');
  return known;
}

function readWhole(min: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= NUMBER_MAX))
      throw new InvalidArgumentError(`It is a whole number, at least ${min}.`);
    return value;
  };
}
