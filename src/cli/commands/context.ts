// `context`: hosts, and what is needed to reach them, under a name.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CliError, EXIT_FAILURE, EXIT_OK } from '../errors.js';
import type { Document } from '../output/document.js';
import type { ListView } from '../output/list.js';
import { readContexts, writeContexts } from '../remote/context-file.js';
import { type Context, type Contexts, LOCAL_CONTEXT, contextOf, isContextName } from '../remote/contexts.js';
import { parseHosts } from '../remote/host-address.js';
import { readTlsFiles } from '../remote/tls-files.js';
import type { TypedOptions } from '../run.js';
import type { LocalBody, RunLocally } from '../session.js';

/** Adds the commands to the one that they are part of. */
export function addContextCommands(context: Command, run: RunLocally): void {
  context
    .description(
      `Contexts: hosts with their gateways, and what is needed to reach them, under a name. The one in use is meant where nothing
else is said. They are in contexts.yaml in $XDG_CONFIG_HOME/mcroute, or ~/.config/mcroute.`,
    )
    .usage('[options] COMMAND ...')
    .addHelpText('after', HELP);
  const add = (name: string, summary: string, description: string, example: string) =>
    context.command(name).summary(summary).description(description).addHelpText('after', `\nExamples:\n  ${example}`);

  add(
    'add',
    'remember hosts under a name',
    'Remembers --host, --ca, --cert, --key, --server-name, --table and --owner under a name.',
    'mcctl context add studio --host gw1.example --ca ca.crt --cert me.crt --key me.key --table 5',
  )
    .argument('<name>', 'the name')
    .option('--replace', 'also if there is such a context already')
    .action((name: string, { replace = false }: { readonly replace?: boolean }, command: Command) =>
      run(command, (session) => addContext(session, name, replace, command.optsWithGlobals<TypedOptions>())),
    );
  add(
    'use',
    'choose the context that is meant',
    `Chooses the context that is meant; '${LOCAL_CONTEXT}' is this host.`,
    'mcctl context use studio',
  )
    .argument('<name>', 'the name')
    .action((name: string, _options: unknown, command: Command) =>
      run(command, async ({ environment, printer }) => {
        const contexts = readContexts(environment);
        if (name !== LOCAL_CONTEXT) contextOf(contexts, name, 'context use');
        writeContexts(environment, { ...contexts, current: name === LOCAL_CONTEXT ? undefined : name });
        await printer.result(
          () => ({ current: name }),
          () => `${name === LOCAL_CONTEXT ? 'this host' : `context '${name}'`} is meant from now on\n`,
        );
        return EXIT_OK;
      }),
    );
  add('list', 'list the contexts', 'Lists the contexts; * is the one in use.', 'mcctl context list -o wide').action(
    (_options: unknown, command: Command) =>
      run(command, async ({ environment, printer }) => {
        const contexts = readContexts(environment);
        const pages = async function* () {
          yield await Promise.resolve({ rows: rowsOf(contexts) });
        };
        await printer.list(contextsView, pages(), "no contexts: 'mcctl context add' makes one");
        return EXIT_OK;
      }),
  );
  add('show', 'show all of a context', 'Shows all of a context, or of the one in use.', 'mcctl context show studio')
    .argument('[name]', 'the name')
    .action((name: string | undefined, _options: unknown, command: Command) =>
      run(command, (session) => showContext(session, name)),
    );
  add(
    'current',
    'tell which context is in use',
    `Tells which context is in use, or '${LOCAL_CONTEXT}'.`,
    'mcctl context current',
  ).action((_options: unknown, command: Command) =>
    run(command, async ({ environment, printer }) => {
      const current = readContexts(environment).current ?? LOCAL_CONTEXT;
      await printer.result(
        () => ({ current }),
        () => `${current}\n`,
      );
      return EXIT_OK;
    }),
  );
  add(
    'remove',
    'forget a context',
    'Forgets a context. If it was in use, this host is meant from then on.',
    'mcctl context remove studio',
  )
    .argument('<name>', 'the name')
    .action((name: string, _options: unknown, command: Command) =>
      run(command, async ({ environment, printer }) => {
        const contexts = readContexts(environment);
        contextOf(contexts, name, 'context remove');
        const others = new Map([...contexts.contexts].filter(([other]) => other !== name));
        const current = contexts.current === name ? undefined : contexts.current;
        writeContexts(environment, { current, contexts: others });
        await printer.result(
          () => ({ removed: name }),
          () => `context '${name}' is forgotten\n`,
        );
        return EXIT_OK;
      }),
    );
}

const HELP = `
Examples:
  mcctl context add studio --host gw1.example --host gw2.example --ca ca.crt --cert me.crt --key me.key
  mcctl context use studio
  mcctl table list                             of both hosts
  mcctl --context local table list             of this host`;

interface ContextRow {
  readonly name: string;
  readonly context: Context;
  readonly isCurrent: boolean;
}

const contextsView: ListView<ContextRow> = {
  name: 'contexts',
  columns: [
    { title: 'NAME', cell: ({ name, isCurrent }) => (isCurrent ? `* ${name}` : `  ${name}`) },
    { title: 'HOSTS', cell: ({ context }) => context.hosts.join(',') },
    { title: 'TABLE', cell: ({ context }) => String(context.table ?? '') },
    { title: 'OWNER', cell: ({ context }) => context.owner ?? '' },
  ],
  wideColumns: [
    { title: 'CA', cell: ({ context }) => context.ca ?? '' },
    { title: 'CERTIFICATE', cell: ({ context }) => context.cert ?? '' },
    { title: 'SERVER-NAME', cell: ({ context }) => context.serverName ?? '' },
  ],
  document: contextDocument,
};

function rowsOf({ contexts, current }: Contexts): ContextRow[] {
  return [...contexts].map(([name, context]) => ({ name, context, isCurrent: name === current }));
}

function contextDocument({ name, context, isCurrent }: ContextRow): Document {
  const { hosts, ca, cert, key, serverName, table, owner } = context;
  return {
    name,
    is_current: isCurrent,
    hosts,
    ca: ca ?? null,
    cert: cert ?? null,
    key: key ?? null,
    server_name: serverName ?? null,
    table: table ?? null,
    owner: owner ?? null,
  };
}

type LocalSession = Parameters<LocalBody>[0];

async function addContext(
  { environment, printer }: LocalSession,
  name: string,
  isReplaced: boolean,
  typed: TypedOptions,
): Promise<number> {
  const contexts = readContexts(environment);
  if (!isContextName(name)) {
    throw new CliError('USAGE', `'${name}' is no name for a context`, [
      `letters, digits, '.', '_' and '-', 64 at most, and not '${LOCAL_CONTEXT}', which is this host`,
    ]);
  }
  if (contexts.contexts.has(name) && !isReplaced) {
    throw new CliError('USAGE', `there is a context '${name}' already`, ['--replace puts this one in its place']);
  }
  const context = contextOfOptions(typed);
  // What is wrong is better said now than with the first command.
  readTlsFiles(context);
  writeContexts(environment, { ...contexts, contexts: new Map([...contexts.contexts, [name, context]]) });
  await printer.result(
    () => contextDocument({ name, context, isCurrent: contexts.current === name }),
    () => `context '${name}' is remembered; 'mcctl context use ${name}' chooses it\n`,
  );
  return EXIT_OK;
}

function contextOfOptions({ host, ca, cert, key, serverName, table, owner }: TypedOptions): Context {
  if (host === undefined) throw new CliError('USAGE', 'context add: --host is missing', ['name one host at least']);
  if ((cert === undefined) !== (key === undefined)) {
    throw new CliError('USAGE', 'context add: --cert and --key go together', ['give both, or none']);
  }
  const hosts = parseHosts(host, { name: '--host', complaint: 'USAGE' }).map(({ text }) => text);
  return {
    hosts,
    ...(ca !== undefined && { ca: resolve(ca) }),
    ...(cert !== undefined && { cert: resolve(cert) }),
    ...(key !== undefined && { key: resolve(key) }),
    ...(serverName !== undefined && { serverName }),
    ...(table !== undefined && { table }),
    ...(owner !== undefined && { owner }),
  };
}

async function showContext(
  { environment, printer, terminal }: LocalSession,
  word: string | undefined,
): Promise<number> {
  const contexts = readContexts(environment);
  const name = word ?? contexts.current;
  if (name === undefined) {
    terminal.note('no context is in use: this host is meant');
    return EXIT_FAILURE;
  }
  const context = contextOf(contexts, name, 'context show');
  const row = { name, context, isCurrent: name === contexts.current };
  await printer.result(
    () => contextDocument(row),
    () => contextText(row),
  );
  return EXIT_OK;
}

function contextText({ name, context }: ContextRow): string {
  const { hosts, ca, cert, key, serverName, table, owner } = context;
  const lines: readonly (readonly [string, string | number | undefined])[] = [
    ['name', name],
    ['hosts', hosts.join(' ')],
    ['ca', ca],
    ['cert', cert],
    ['key', key],
    ['server name', serverName],
    ['table', table],
    ['owner', owner],
  ];
  return lines.flatMap(([title, text]) => (text === undefined ? [] : `${title.padEnd(11)}  ${text}\n`)).join('');
}
