// `cert`: the certificates that a laboratory needs.
import { isIP } from 'node:net';
import { type Command, InvalidArgumentError } from 'commander';
import { CliError } from '../errors.js';
import type { TypedOptions } from '../run.js';
import type { RunLocally } from '../session.js';
import {
  type AuthorityOptions,
  type RevokeOptions,
  type SignedOptions,
  makeAuthority,
  makeSigned,
  revokeCertificates,
} from './certificate-files.js';

/** Adds the commands to the one that they are part of. */
export function addCertificateCommands(cert: Command, run: RunLocally): void {
  cert
    .description(
      `Makes the certificates that a laboratory needs: an authority (ca), what it signs, for gateways (server) and for those who
call them (client), and the list of what it takes back (revoke). Keys are EC P-256, not encrypted, for their owner alone (mode 0600).`,
    )
    .usage('[options] COMMAND ...')
    .addHelpText('after', HELP);
  withFileOptions(
    cert
      .command('ca')
      .summary('make an authority')
      .description(
        'Makes an authority that signs certificates: ca.crt, which everybody may have, and ca.key, which nobody else may.',
      )
      .option('--name <text>', 'what it is called', 'mcroute lab CA'),
    3_650,
  )
    .addHelpText('after', '\nExamples:\n  mcctl cert ca --out pki')
    .action((options: AuthorityOptions, command: Command) =>
      run(command, (session) => makeAuthority(session, options)),
    );
  withFileOptions(
    withAuthority(
      cert
        .command('server')
        .summary('make the certificate of a gateway')
        .description('Makes the certificate of a gateway, and its key, named after the first --name.')
        .requiredOption('--name <name>', 'name or address by which the gateway is called; may be repeated', collect),
    ),
    365,
  )
    .addHelpText('after', '\nExamples:\n  mcctl cert server --name gw1.example --name 192.0.2.1 --out pki')
    .action((options: ServerOptions, command: Command) =>
      run(command, (session) => {
        const names = options.name.map(readServerName);
        return makeSigned(session, { kind: 'server', names }, fileName(names[0] ?? ''), withCa(options, command));
      }),
    );
  withFileOptions(
    withAuthority(
      cert
        .command('client')
        .summary('make the certificate of somebody who calls')
        .description(
          'Makes the certificate of a person or a controller, and its key, named after the end of --identity.',
        )
        .requiredOption('--identity <uri>', 'who it is, for the policy of gateways', readIdentity),
    ),
    365,
  )
    .addHelpText('after', '\nExamples:\n  mcctl cert client --identity spiffe://studio.example/mixer --out pki')
    .action((options: ClientOptions, command: Command) =>
      run(command, (session) => {
        const { identity } = options;
        const name = fileName(identity.replace(/\/+$/, '').split('/').at(-1) ?? '');
        return makeSigned(session, { kind: 'client', identity, name }, name, withCa(options, command));
      }),
    );
  withAuthority(
    cert
      .command('revoke')
      .summary('take certificates back')
      .description(
        `Adds certificates to ca.crl, the list of those that the authority has taken back, and makes the list where there is none.
A gateway refuses who is in the list that its configuration names (tls: crl), and everybody once the list is out of date: make
it again before, with files or without.`,
      )
      .argument('[file...]', 'certificates (.crt) that are no longer to be taken')
      .option('--days <n>', 'how long the list holds', readDays, 30)
      .option('--out <folder>', 'where the list is', '.'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  mcctl cert revoke pki/mixer.crt --out pki\n  mcctl cert revoke --out pki --days 90',
    )
    .action((files: readonly string[], options: RevokeOptions, command: Command) =>
      run(command, (session) => revokeCertificates(session, files, withCa(options, command))),
    );
}

const HELP = `
Examples:
  mcctl cert ca --out pki
  mcctl cert server --name gw1.example --out pki
  mcctl cert client --identity spiffe://studio.example/mixer --out pki
  mcctl --host gw1.example --ca pki/ca.crt --cert pki/mixer.crt --key pki/mixer.key whoami`;

interface ServerOptions extends SignedOptions {
  readonly name: readonly string[];
}

interface ClientOptions extends SignedOptions {
  readonly identity: string;
}

function withFileOptions(command: Command, days: number): Command {
  return command
    .option('--days <n>', 'how long it holds', readDays, days)
    .option('--out <folder>', 'where the files go', '.')
    .option('--force', 'also if they are there already; those are kept as .old');
}

function withAuthority(command: Command): Command {
  return command.option(
    '--ca-key <file>',
    'key of the authority; its certificate is --ca (default: ca.key and ca.crt in --out)',
  );
}

/** The certificate of the authority is an option of all commands. */
function withCa<Options>(options: Options, command: Command): Options & { readonly ca?: string } {
  const { ca } = command.optsWithGlobals<TypedOptions>();
  return { ...options, ...(ca !== undefined && { ca }) };
}

/** What a file may be called, of what something else is called. */
function fileName(text: string): string {
  return text.replace(/[^A-Za-z0-9._-]+/g, '_').replace(/^[._]+/, '') || 'certificate';
}

function readServerName(text: string): string {
  const isName = /^(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(text);
  if (isIP(text) !== 0 || isName) return text;
  throw new CliError('USAGE', `cert server: '${text}' is neither a name nor an address`, [
    'such as gw1.example or 192.0.2.1',
  ]);
}

/** As gateways take them: 256 bytes at most, of printable ASCII. */
function readIdentity(text: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[!-~]+$/.test(text) || text.length > 256 || !URL.canParse(text)) {
    throw new InvalidArgumentError('It is a URI, such as spiffe://studio.example/mixer.');
  }
  return text;
}

function readDays(text: string): number {
  const days = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  // Until 9999 certificates could hold, but nobody wants that.
  if (days < 1 || days > 36_500) throw new InvalidArgumentError('It is a whole number of days, 1 to 36500.');
  return days;
}

function collect(text: string, others: readonly string[] = []): string[] {
  return [...others, text];
}
