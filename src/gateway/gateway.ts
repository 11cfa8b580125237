// Puts the parts of a gateway together.
import { gatewayDefinition } from '../api/load.js';
import { ApiError } from '../api/status.js';
import { Health } from '../api/standard-services.js';
import type { Logger } from '../runtime/log.js';
import { Admission, type ConnectionLimits } from './admission.js';
import { type AuditLog, openAudit } from './audit.js';
import { BufferBudget } from './buffer-budget.js';
import { type Certificates, openCertificates } from './certificates.js';
import type { GatewayConfiguration, LimitsConfiguration, TlsConfiguration } from './configuration.js';
import { Counts } from './counts.js';
import type { ConnectionContext } from './connection.js';
import { gatewayService } from './gateway-service.js';
import { type IdentityLimitSettings, IdentityLimits } from './limits.js';
import { Listeners } from './listeners.js';
import { ROUTING_SERVICE } from './methods.js';
import { OwnServer } from './own-server.js';
import { builtInPolicy } from './policy.js';
import { type PolicySource, fixedPolicy, openPolicyFile } from './policy-file.js';
import { RefusalRate } from './refusal-rate.js';
import { Servers } from './servers.js';
import { Strangers } from './strangers.js';
import { TableFollower } from './tables.js';
import { Upstreams } from './upstreams.js';

export interface GatewayOptions {
  readonly runtimeDirectory: string;
  readonly version: string;
  readonly configuration: GatewayConfiguration;
}

export interface RunningGateway {
  /** For people: what it does. */
  readonly summary: string;
  /** Serves by this configuration from now on, and reads certificates and the policy again. @throws Error, and nothing has changed. */
  reconfigure(configuration: GatewayConfiguration): Promise<void>;
  /** Takes no more connections and calls, gives those that are open a moment, and writes the rest of the audit. */
  stop(): Promise<void>;
}

/** Time between two looks at all connections, in ms. */
const SWEEP_MS = 1_000;

/** Time that calls get to end when the gateway stops, in ms. */
const STOP_MS = 1_000;

/** Memory for large messages: of all callers, and of one. A message may have 16 MiB. */
const BUFFERED_MAX = 32 * 1024 * 1024;
const BUFFERED_PER_IDENTITY_MAX = 17 * 1024 * 1024;

/**
 * Starts a gateway. What was opened is closed again if a later step fails.
 *
 * @throws ConfigurationError, CertificateError, SocketError, or the system's error.
 */
export async function startGateway(options: GatewayOptions, log: Logger): Promise<RunningGateway> {
  const gateway = new Gateway(options, log);
  try {
    await gateway.start(options.configuration);
  } catch (error) {
    await gateway.stop();
    throw error;
  }
  return gateway;
}

class Gateway implements RunningGateway {
  readonly #log: Logger;
  readonly #startTime = Date.now();
  #configuration: GatewayConfiguration;
  readonly #upstreams = new Upstreams();
  readonly #health = new Health();
  readonly #own = new OwnServer(this.#health);
  readonly #limits: IdentityLimits;
  readonly #admission: Admission;
  readonly #counts = new Counts();
  readonly #strangers: Strangers;
  readonly #listeners: Listeners;
  readonly #tables: TableFollower;
  readonly #sweep: NodeJS.Timeout;
  #audit: AuditLog;
  #policy: PolicySource = fixedPolicy({ rules: [] }, this.#startTime);
  #certificates: Certificates | undefined;

  constructor({ runtimeDirectory, version, configuration }: GatewayOptions, log: Logger) {
    this.#log = log;
    this.#configuration = configuration;
    this.#audit = openAudit(configuration.audit, log);
    const now = () => performance.now();
    this.#limits = new IdentityLimits(identityLimits(configuration.limits), now);
    this.#admission = new Admission(connectionLimits(configuration.limits));
    const refusalRate = new RefusalRate(now);
    // The file may become another.
    const audit: Pick<AuditLog, 'write'> = {
      write: (record) => {
        this.#audit.write(record);
      },
    };
    this.#strangers = new Strangers(audit, refusalRate);
    const connectionContext: ConnectionContext = {
      policy: () => this.#policy.policy,
      limits: this.#limits,
      resourcesPerOwner: () => this.#configuration.limits.resourcesPerOwner,
      streamsPerIdentity: () => this.#configuration.limits.streamsPerIdentity,
      servers: new Servers(runtimeDirectory, this.#upstreams, this.#own),
      budget: new BufferBudget(BUFFERED_MAX, BUFFERED_PER_IDENTITY_MAX),
      audit,
      refusalRate,
      onCall: (ended) => {
        this.#counts.onCall(ended);
      },
      onAbuse: ({ caller }, what) => {
        if ('peer' in caller) this.#strangers.refuse(caller.peer.address, what, caller.peer.identity);
      },
    };
    this.#listeners = new Listeners({
      log,
      admission: this.#admission,
      strangers: this.#strangers,
      connectionContext,
    });
    this.#own.add(gatewayDefinition(), {
      ...gatewayService({
        version,
        startTime: this.#startTime,
        own: this.#own,
        audit: () => this.#audit,
        policy: () => this.#policy,
        certificates: () => this.#certificates,
        counts: () => ({
          listeners: [...this.#listeners.list()],
          connections: this.#admission.identified,
          connectionsWithoutIdentity: this.#admission.strangers,
          refusedConnections: String(this.#strangers.refused),
          ...this.#counts.view(),
        }),
        identities: () => this.#identities(),
        onBug: (error, method) => {
          log.error({ err: error, method }, 'a request failed because of a bug');
        },
      }),
    });
    this.#health.set('', 'SERVING');
    this.#tables = new TableFollower(runtimeDirectory, this.#upstreams, {
      onTable: (table, isServing) => {
        this.#health.set(`${ROUTING_SERVICE}/${table}`, isServing ? 'SERVING' : 'NOT_SERVING');
      },
      onGone: (table) => {
        this.#health.set(`${ROUTING_SERVICE}/${table}`, 'NOT_SERVING');
      },
    });
    this.#sweep = setInterval(() => {
      const time = performance.now();
      for (const connection of this.#listeners.connections()) connection.sweep(time);
    }, SWEEP_MS);
  }

  get summary(): string {
    const places = this.#listeners.list().map(({ address }) => address);
    const problems = [
      ...(this.#certificates?.error === undefined ? [] : ['the certificate files cannot be used']),
      ...(this.#policy.error === undefined ? [] : ['the policy file cannot be used']),
    ];
    return [`Serving at ${places.join(', ')}`, ...problems].join('; ');
  }

  async start(configuration: GatewayConfiguration): Promise<void> {
    if (configuration.policy !== undefined) this.#policy = this.#openPolicy(configuration.policy);
    if (configuration.tls !== undefined) this.#useCertificates(configuration.tls);
    await this.#listeners.configure(configuration.listeners);
    this.#usePolicyOfSocket(configuration);
  }

  async reconfigure(configuration: GatewayConfiguration): Promise<void> {
    const before = this.#configuration;
    const { tls, policy: policyFile } = configuration;
    const isOtherPolicy = policyFile !== before.policy;
    // What can fail comes first.
    const policy = isOtherPolicy && policyFile !== undefined ? this.#openPolicy(policyFile) : undefined;
    try {
      if (isSame(tls, before.tls)) this.#certificates?.reload();
      else this.#replaceCertificates(tls);
    } catch (error) {
      policy?.[Symbol.dispose]();
      throw error;
    }
    if (isOtherPolicy) this.#policy[Symbol.dispose]();
    else this.#policy.reload();
    this.#policy = policy ?? this.#policy;
    if (isSame(configuration.audit, before.audit)) this.#audit.reload();
    else await this.#replaceAudit(configuration);
    this.#limits.change(identityLimits(configuration.limits));
    this.#admission.change(connectionLimits(configuration.limits));
    this.#configuration = configuration;
    await this.#listeners.configure(configuration.listeners);
    this.#usePolicyOfSocket(configuration);
    this.#recheck();
  }

  async stop(): Promise<void> {
    clearInterval(this.#sweep);
    this.#tables[Symbol.dispose]();
    this.#health.set('', 'NOT_SERVING');
    const connections = [...this.#listeners.connections()];
    this.#listeners.stop();
    const error = new ApiError('AGENT_UNAVAILABLE', 'the gateway stops; try again when it is back');
    for (const connection of connections) connection.refuseCalls(error);
    await Promise.race([
      Promise.all(connections.map((connection) => connection.closed)),
      new Promise((resolve) => setTimeout(resolve, STOP_MS).unref()),
    ]);
    for (const connection of connections) connection.destroy();
    this.#upstreams.close();
    this.#own.stop();
    this.#certificates?.[Symbol.dispose]();
    this.#policy[Symbol.dispose]();
    await this.#audit[Symbol.asyncDispose]();
  }

  #openPolicy(file: string): PolicySource {
    return openPolicyFile(file, {
      log: this.#log,
      onChange: () => {
        this.#recheck();
      },
    });
  }

  /** Without a file, who may use the socket may do everything. */
  #usePolicyOfSocket({ policy }: GatewayConfiguration): void {
    if (policy === undefined) this.#policy = fixedPolicy(builtInPolicy(this.#listeners.socketGroup), Date.now());
  }

  /** What is not allowed any more ends. */
  #recheck(): void {
    for (const connection of this.#listeners.connections()) connection.recheck();
  }

  #useCertificates(tls: TlsConfiguration): void {
    const certificates = openCertificates(tls, {
      log: this.#log,
      onChange: (context) => {
        this.#listeners.setTls({ context, sources: tls.identity });
      },
    });
    this.#certificates = certificates;
    this.#listeners.setTls({ context: certificates.context, sources: tls.identity });
  }

  #replaceCertificates(tls: TlsConfiguration | undefined): void {
    const before = this.#certificates;
    if (tls !== undefined) this.#useCertificates(tls);
    else this.#certificates = undefined;
    before?.[Symbol.dispose]();
  }

  async #replaceAudit({ audit }: GatewayConfiguration): Promise<void> {
    const before = this.#audit;
    this.#audit = openAudit(audit, this.#log);
    await before[Symbol.asyncDispose]();
  }

  #identities(): ReadonlyMap<string, { connections: number; calls: number }> {
    const identities = new Map<string, { connections: number; calls: number }>();
    for (const { caller, calls } of this.#listeners.connections()) {
      if (!('peer' in caller)) continue;
      const { identity } = caller.peer;
      const counts = identities.get(identity) ?? { connections: 0, calls: 0 };
      counts.connections++;
      counts.calls += calls;
      identities.set(identity, counts);
    }
    return identities;
  }
}

function identityLimits(limits: LimitsConfiguration): IdentityLimitSettings {
  const { writesPerSecond, writeBurst, streamsPerIdentity } = limits;
  return { writesPerSecond, writeBurst, streamsPerIdentity };
}

function connectionLimits({ connections, connectionsPerAddress }: LimitsConfiguration): ConnectionLimits {
  return { connections, perAddress: connectionsPerAddress };
}

/** Of values of a configuration, which are read in one order. */
function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
