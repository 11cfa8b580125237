// Which hosts a command is for: this one, or those of gateways. Options go before the environment, and that before the
// context in use.
import { CliError } from '../errors.js';
import { type Environment, valueOf } from '../connect.js';
import { type Context, type Contexts, LOCAL_CONTEXT, type TlsSettings, contextOf } from './contexts.js';
import { type HostAddress, parseHosts } from './host-address.js';

/** What the command line says of it. */
export interface DestinationOptions extends TlsSettings {
  readonly socket?: string;
  readonly context?: string;
  readonly host?: readonly string[];
}

/** The hosts, and what their context says beside. */
export type Destination =
  | { readonly kind: 'here' }
  | {
      readonly kind: 'gateways';
      readonly hosts: readonly HostAddress[];
      readonly tls: TlsSettings;
      readonly table: number | string | undefined;
      readonly owner: string | undefined;
      /** For errors, where nobody has just typed the host: such as `the context 'studio' is in use`. */
      readonly why: string | undefined;
    };

const HERE = { kind: 'here' } as const;

/**
 * Finds the hosts. `contexts` is only called where they matter.
 *
 * @throws CliError USAGE, BAD_ENVIRONMENT or BAD_FILE
 */
export function findDestination(
  options: DestinationOptions,
  environment: Environment,
  contexts: () => Contexts,
): Destination {
  const found = findHosts(options, environment, contexts);
  if (found.kind === 'here') {
    const spare = (['ca', 'cert', 'key', 'serverName'] as const).find((name) => options[name] !== undefined);
    if (spare !== undefined) {
      const option = spare === 'serverName' ? '--server-name' : `--${spare}`;
      throw new CliError('USAGE', `${option} is for gateways, and this host is meant`, ['name one with --host']);
    }
    return HERE;
  }
  const { hosts, context, why } = found;
  return { kind: 'gateways', hosts, ...settingsOf(options, environment, context), why };
}

type Found =
  | { readonly kind: 'here' }
  | {
      readonly kind: 'gateways';
      readonly hosts: readonly HostAddress[];
      readonly context: Context | undefined;
      readonly why: string | undefined;
    };

function findHosts(options: DestinationOptions, environment: Environment, contexts: () => Contexts): Found {
  const { socket, host, context } = options;
  if (socket !== undefined) {
    const other = host !== undefined ? '--host' : context !== undefined && context !== LOCAL_CONTEXT ? '--context' : '';
    if (other !== '') throw new CliError('USAGE', `--socket is of this host, and excludes ${other}`);
    return HERE;
  }
  if (host !== undefined) {
    const hosts = parseHosts(host, { name: '--host', complaint: 'USAGE' });
    return {
      kind: 'gateways',
      hosts,
      context: withoutName(nearContext(options, environment, contexts)),
      why: undefined,
    };
  }
  if (context !== undefined) return ofContext(context, '--context', contexts, undefined);
  return findInEnvironment(options, environment, contexts);
}

function findInEnvironment(options: DestinationOptions, environment: Environment, contexts: () => Contexts): Found {
  const host = valueOf(environment, 'MCROUTE_HOST');
  const name = valueOf(environment, 'MCROUTE_CONTEXT');
  const socket = valueOf(environment, 'MCROUTE_SOCKET');
  if (socket !== undefined && (host !== undefined || (name !== undefined && name !== LOCAL_CONTEXT))) {
    const other = host === undefined ? 'MCROUTE_CONTEXT' : 'MCROUTE_HOST';
    throw new CliError('BAD_ENVIRONMENT', `MCROUTE_SOCKET is of this host, and ${other} names another`, [
      'unset one of them',
    ]);
  }
  if (host !== undefined) {
    const hosts = parseHosts([host], { name: 'MCROUTE_HOST', complaint: 'BAD_ENVIRONMENT' });
    const context = withoutName(nearContext(options, environment, contexts));
    return { kind: 'gateways', hosts, context, why: 'MCROUTE_HOST names it; --context local is this host' };
  }
  if (name !== undefined) {
    return ofContext(name, 'MCROUTE_CONTEXT', contexts, `MCROUTE_CONTEXT is '${name}'; --context local is this host`);
  }
  // A script that says where the sockets of this host are means this host, whatever context a person uses.
  if (socket !== undefined || valueOf(environment, 'MCROUTE_RUNTIME_DIRECTORY') !== undefined) return HERE;
  const { current } = contexts();
  if (current === undefined) return HERE;
  return ofContext(current, 'current', contexts, `the context '${current}' is in use; --context local is this host`);
}

function ofContext(name: string, origin: string, contexts: () => Contexts, why: string | undefined): Found {
  if (name === LOCAL_CONTEXT) return HERE;
  const context = contextOf(contexts(), name, origin);
  const hosts = parseHosts(context.hosts, { name: `context '${name}'`, complaint: 'BAD_ENVIRONMENT' });
  return { kind: 'gateways', hosts, context, why };
}

/** The context whose certificates serve for hosts that are named one by one. */
function nearContext(
  { context }: DestinationOptions,
  environment: Environment,
  contexts: () => Contexts,
): Context | undefined {
  const name = context ?? valueOf(environment, 'MCROUTE_CONTEXT');
  if (name === LOCAL_CONTEXT) return undefined;
  if (name !== undefined) return contextOf(contexts(), name, context === undefined ? 'MCROUTE_CONTEXT' : '--context');
  const all = contexts();
  return all.current === undefined ? undefined : all.contexts.get(all.current);
}

/** The name in the certificate is that of the context's own hosts. */
function withoutName(context: Context | undefined): Omit<Context, 'serverName'> | undefined {
  if (context === undefined) return undefined;
  const { hosts, ca, cert, key, table, owner } = context;
  return {
    hosts,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(table !== undefined && { table }),
    ...(owner !== undefined && { owner }),
  };
}

function settingsOf(options: DestinationOptions, environment: Environment, context: Context | undefined) {
  const fromEnvironment = {
    ca: valueOf(environment, 'MCROUTE_CA'),
    cert: valueOf(environment, 'MCROUTE_CERT'),
    key: valueOf(environment, 'MCROUTE_KEY'),
  };
  const ca = options.ca ?? fromEnvironment.ca ?? context?.ca;
  const serverName = options.serverName ?? context?.serverName;
  const pair =
    pairOf(options, '--cert', '--key', 'USAGE') ??
    pairOf(fromEnvironment, 'MCROUTE_CERT', 'MCROUTE_KEY', 'BAD_ENVIRONMENT') ??
    pairOf(context ?? {}, 'cert', 'key', 'BAD_ENVIRONMENT');
  const tls: TlsSettings = {
    ...(ca !== undefined && { ca }),
    ...pair,
    ...(serverName !== undefined && { serverName }),
  };
  return { tls, table: context?.table, owner: context?.owner };
}

/** A certificate and its key come from one place. */
function pairOf(
  { cert, key }: { readonly cert?: string | undefined; readonly key?: string | undefined },
  certName: string,
  keyName: string,
  complaint: 'USAGE' | 'BAD_ENVIRONMENT',
): { readonly cert: string; readonly key: string } | undefined {
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert === undefined && key === undefined) return undefined;
  const [there, missing] = cert === undefined ? [keyName, certName] : [certName, keyName];
  throw new CliError(complaint, `${there} is given without ${missing}`, ['a certificate and its key go together']);
}
