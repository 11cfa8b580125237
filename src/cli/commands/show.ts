// `show`: what the agent holds and what the kernel has.
import type { Command } from 'commander';
import type { Entry__Output } from '../../api/generated/mcroute/v1/Entry.js';
import type { ListInterfacesResponse__Output } from '../../api/generated/mcroute/v1/ListInterfacesResponse.js';
import type { ListMrulesResponse__Output } from '../../api/generated/mcroute/v1/ListMrulesResponse.js';
import type { ListRequest } from '../../api/generated/mcroute/v1/ListRequest.js';
import type { MfcEntry__Output } from '../../api/generated/mcroute/v1/MfcEntry.js';
import type { Mrule__Output } from '../../api/generated/mcroute/v1/Mrule.js';
import { AddressError, type Prefix, overlaps, parsePrefix } from '../../model/address.js';
import { matchesInterface } from '../../model/interface.js';
import type { Agent } from '../connect.js';
import { CliError, EXIT_OK } from '../errors.js';
import { groupsView } from '../output/groups.js';
import { type InterfaceRow, type InterfaceWish, interfaceRows, interfacesView } from '../output/interfaces.js';
import type { ListView, Page } from '../output/list.js';
import { mfcView } from '../output/mfc.js';
import { pendingView } from '../output/pending.js';
import { routesView } from '../output/routes.js';
import { rulesView } from '../output/rules.js';
import type { Run, Session } from '../session.js';
import { findName } from '../words.js';
import { showGateway } from './gateway.js';

/** Adds the command to the program. */
export function addShowCommand(program: Command, run: Run): void {
  program
    .command('show')
    .summary('show routes, groups, interfaces, what is pending, rules, the forwarding cache or the gateway')
    .description(
      `Shows one of
  routes       the rules and how far they have got (if nothing else is said)
  groups       the memberships of the host itself
  interfaces   the host's interfaces and their numbers in the kernel's table
  pending      what the kernel does not have all of, and why
  rules        the kernel's rules that send packets to tables ('ip mrule')
  mfc          the kernel's forwarding cache, with learned flows
  gateway      how the host's gateway is doing: certificates, policy, audit, who is connected
which may be shortened (show g).`,
    )
    .usage('[options] [routes|groups|interfaces|pending|rules|mfc|gateway]')
    .argument('[what]', 'what to show', 'routes')
    .option('--owner-only <name>', 'only what this owner wants (routes, groups, pending)')
    .option('--group <prefix>', 'only what has to do with these groups (not interfaces, rules, gateway)')
    .option('--interface <name>', 'only what has to do with this interface (not gateway)')
    .addHelpText(
      'after',
      `
Examples:
  mcctl show
  mcctl show -o wide --group 239.1.0.0/16      with counters, labels and warnings
  mcctl show pending
  mcctl show mfc -o json | jq '.mfc[] | select(.learned)'`,
    )
    .action((what: string, filters: ShowFilters, command: Command) =>
      run(command, async (session) => {
        const noun = readNoun(what);
        refuseFilters(noun, filters);
        await SHOW[noun](session, filters);
        return EXIT_OK;
      }),
    );
}

type Noun = 'routes' | 'groups' | 'interfaces' | 'pending' | 'rules' | 'mfc' | 'gateway';

interface ShowFilters {
  readonly ownerOnly?: string;
  readonly group?: string;
  readonly interface?: string;
}

const SHOW: Record<Noun, (session: Session, filters: ShowFilters) => Promise<void>> = {
  routes: (session, filters) => showEntries(session, routesView, filters, { kinds: ['KIND_MROUTE'] }, 'no routes'),
  groups: (session, filters) => showEntries(session, groupsView, filters, { kinds: ['KIND_MEMBERSHIP'] }, 'no groups'),
  interfaces: (session, filters) => print(session, interfacesView, interfacePages(session, filters), 'no interfaces'),
  pending: (session, filters) => {
    const states = ['STATE_PENDING', 'STATE_PARTIAL', 'STATE_FAILED'] as const;
    return showEntries(session, pendingView, filters, { states: [...states] }, 'nothing is pending');
  },
  rules: (session, filters) => print(session, rulesView, rulePages(session.agent, filters), 'no rules'),
  mfc: (session, filters) => print(session, mfcView, mfcPages(session.agent, filters), 'no entries'),
  gateway: (session) => showGateway(session),
};

const NOUNS = Object.keys(SHOW) as Noun[];

/** What may be shortened as far as if there were no `gateway`: `show g` are the groups. */
const SHORT_NOUNS = NOUNS.filter((noun) => noun !== 'gateway');

function readNoun(word: string): Noun {
  const short = findName(word, SHORT_NOUNS);
  const meaning = short.kind === 'found' ? short : findName(word, NOUNS);
  switch (meaning.kind) {
    case 'found':
      return meaning.name as Noun;
    case 'ambiguous':
      throw new CliError('USAGE', `show: '${word}' may be ${meaning.names.join(' or ')}`);
    case 'unknown': {
      const hint =
        meaning.nearest === undefined ? `there are ${NOUNS.join(', ')}` : `did you mean '${meaning.nearest}'?`;
      throw new CliError('USAGE', `show: '${word}' is nothing that can be shown`, [hint]);
    }
  }
}

function refuseFilters(noun: Noun, filters: ShowFilters): void {
  const hasOwners = noun === 'routes' || noun === 'groups' || noun === 'pending';
  if (filters.ownerOnly !== undefined && !hasOwners) {
    throw new CliError('USAGE', `show: --owner-only is not for ${noun}`);
  }
  if (filters.interface !== undefined && noun === 'gateway') {
    throw new CliError('USAGE', 'show: --interface is not for gateway');
  }
  if (filters.group !== undefined && (noun === 'interfaces' || noun === 'rules' || noun === 'gateway')) {
    throw new CliError('USAGE', `show: --group is not for ${noun}`);
  }
}

async function showEntries(
  session: Session,
  view: ListView<Entry__Output>,
  filters: ShowFilters,
  filter: NonNullable<ListRequest['filter']>,
  emptyText: string,
): Promise<void> {
  const { agent, options } = session;
  const request: ListRequest = {
    table: agent.table,
    // The counters cost the agent a lookup per route, and the short table has no column for them.
    view: options.output === 'table' ? 'VIEW_BASIC' : 'VIEW_FULL',
    filter: {
      ...filter,
      owner: filters.ownerOnly ?? '',
      group: filters.group ?? '',
      interface: filters.interface ?? '',
    },
  };
  await print(session, view, entryPages(agent, request), emptyText);
}

function print<Row>(
  { printer }: Session,
  view: ListView<Row>,
  pages: AsyncIterable<Page<Row>>,
  emptyText: string,
): Promise<void> {
  return printer.list(view, pages, emptyText);
}

async function* entryPages(agent: Agent, request: ListRequest): AsyncGenerator<Page<Entry__Output>> {
  const stream = agent.read((client, callOptions) => client.list(request, callOptions));
  for await (const { revision, entries } of stream) yield { revision, rows: entries };
}

async function* interfacePages(session: Session, filters: ShowFilters): AsyncGenerator<Page<InterfaceRow>> {
  const { agent } = session;
  const { interfaces } = await agent.ask<ListInterfacesResponse__Output>((client, callOptions, callback) =>
    client.listInterfaces({ table: agent.table }, callOptions, callback),
  );
  const rows = interfaceRows(interfaces, await readWishes(agent));
  yield { rows: rows.filter(({ status }) => isWanted(filters.interface, status.name)) };
}

async function readWishes(agent: Agent): Promise<InterfaceWish[]> {
  const wishes: InterfaceWish[] = [];
  const request: ListRequest = { table: agent.table, filter: { kinds: ['KIND_INTERFACE'] } };
  for await (const { rows } of entryPages(agent, request)) {
    for (const { resource, owners } of rows) {
      if (resource?.interface) wishes.push({ settings: resource.interface, owners });
    }
  }
  return wishes;
}

async function* rulePages(agent: Agent, filters: ShowFilters): AsyncGenerator<Page<Mrule__Output>> {
  const { mrules } = await agent.ask<ListMrulesResponse__Output>((client, callOptions, callback) =>
    client.listMrules({ table: agent.table }, callOptions, callback),
  );
  yield { rows: mrules.filter(({ iif, oif }) => isWanted(filters.interface, iif) || isWanted(filters.interface, oif)) };
}

async function* mfcPages(agent: Agent, filters: ShowFilters): AsyncGenerator<Page<MfcEntry__Output>> {
  const group = filters.group === undefined ? undefined : readGroup(filters.group);
  const request = { table: agent.table, view: 'VIEW_FULL' } as const;
  const stream = agent.read((client, callOptions) => client.listMfc(request, callOptions));
  for await (const { entries } of stream) {
    yield {
      rows: entries.filter(
        (entry) =>
          (group === undefined || overlaps(group, parsePrefix(entry.group))) &&
          [entry.iif, ...entry.oifs.map((oif) => oif.interface)].some((name) => isWanted(filters.interface, name)),
      ),
    };
  }
}

function isWanted(pattern: string | undefined, name: string): boolean {
  return pattern === undefined || matchesInterface(pattern, name);
}

function readGroup(text: string): Prefix {
  try {
    return parsePrefix(text);
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    throw new CliError('USAGE', `--group: ${error.message}`);
  }
}
