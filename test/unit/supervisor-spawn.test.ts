import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { agentError, explainEnd } from '../../src/supervisor/end-error.js';
import { gatewayCommand } from '../../src/supervisor/gateway-spawn.js';
import { type LaunchContext, launchEnvironment } from '../../src/supervisor/launch.js';
import type { ProcessExit } from '../../src/supervisor/process.js';
import { DEFAULT_SETTINGS, type GatewaySettings } from '../../src/supervisor/settings.js';
import { agentCommand } from '../../src/supervisor/spawn.js';
import type { TableDefinition, TableSettings } from '../../src/supervisor/table.js';

const CONTEXT: LaunchContext = {
  tree: '/tree',
  runtimeDirectory: '/run/mcroute',
  stateDirectory: '/var/lib/mcroute',
  notifySocketPath: '/run/mcroute/notify.sock',
  agentGroup: 990,
  logLevel: 'notice',
  environment: {},
};

const LAUNCH = [
  '/tree/native/build/Release/mcroute-launch',
  ...[`--die-with-parent=${process.pid}`, '--from-arguments', '--signalling', '--'],
  ...['node', '/tree/dist/src/start/start.cjs', 'mcroute-agent'],
];

const PLAIN = [
  ...['--table', '5', '--socket', '/run/mcroute/5.sock', '--state-directory', '/var/lib/mcroute'],
  ...['--cache-timeout', '60', '--star-g', 'kernel', '--mrule-priority', '4000', '--log-level', 'notice'],
];

function define(settings: Partial<TableSettings> = {}): TableDefinition {
  return { table: 5, settings: { ...DEFAULT_SETTINGS, ...settings }, origin: 'api' };
}

describe('the command line of an agent', () => {
  it('is the launcher with the table, its socket and where it saves', () => {
    assert.deepEqual(agentCommand(define(), CONTEXT), [...LAUNCH, ...PLAIN]);
  });

  it('has every setting, and enters the namespace first', () => {
    const settings: Partial<TableSettings> = {
      name: 'studio',
      user: 'av:av',
      netns: 'red',
      configFile: '/etc/a.conf',
      families: ['ipv4', 'ipv6'],
      cacheTimeoutS: 0,
      starG: 'learn',
      makesMrules: false,
      mrulePriority: 77,
      wantsRealtime: false,
      logLevel: 'debug',
      watchdogS: 5,
    };
    assert.deepEqual(agentCommand(define(settings), CONTEXT), [
      ...['nsenter', '--net=/run/netns/red', '--'],
      ...LAUNCH,
      ...['--table', '5', '--socket', '/run/mcroute/5.sock', '--state-directory', '/var/lib/mcroute'],
      ...['--file', '/etc/a.conf'],
      ...['--user', 'av:av', '--families', 'ipv4,ipv6', '--cache-timeout', '0', '--star-g', 'learn', '--no-mrules'],
      ...['--mrule-priority', '77', '--no-realtime', '--log-level', 'debug'],
    ]);
  });

  it('gives a user without a group the one that can make sockets, if there is one', () => {
    const userOf = (agentGroup: number | undefined) => {
      const words = agentCommand(define({ user: 'av' }), { ...CONTEXT, agentGroup });
      return words[words.indexOf('--user') + 1];
    };
    assert.equal(userOf(990), 'av:990');
    assert.equal(userOf(undefined), 'av');
  });

  it('can have another program in place of the launcher', () => {
    const environment = { MCROUTE_AGENT: '/bin/other' };
    assert.deepEqual(agentCommand(define(), { ...CONTEXT, environment }), ['/bin/other', ...PLAIN]);
  });
});

describe('the command line of the gateway', () => {
  const settings: GatewaySettings = { configFile: undefined, user: undefined, logLevel: undefined, watchdogS: 60 };
  const place = { user: 'mcroute-gw', logsDirectory: '/var/log/mcroute/gateway' };
  const launch = (...options: readonly string[]) => [
    ...['/tree/native/build/Release/mcroute-launch', `--die-with-parent=${process.pid}`, '--unprivileged', ...options],
    ...['--', 'node', '/tree/dist/src/start/start.cjs', 'mcroute-gateway'],
  ];
  const plain = ['--runtime-directory', '/run/mcroute', '--log-level', 'notice'];

  it('is the launcher without privileges and with its user, in the group of the agents', () => {
    assert.deepEqual(gatewayCommand(settings, place, CONTEXT), [...launch('--user', 'mcroute-gw:990'), ...plain]);
    assert.deepEqual(gatewayCommand(settings, { ...place, user: undefined }, CONTEXT), [...launch(), ...plain]);
  });

  it('has every setting, and can have another program in place of the launcher', () => {
    const told: GatewaySettings = { configFile: '/etc/gw.yaml', user: 'gw:net', logLevel: 'debug', watchdogS: 5 };
    const words = ['--config', '/etc/gw.yaml', '--runtime-directory', '/run/mcroute', '--log-level', 'debug'];
    const asTold = { ...place, user: 'gw:net' };
    assert.deepEqual(gatewayCommand(told, asTold, CONTEXT), [...launch('--user', 'gw:net'), ...words]);
    const context = { ...CONTEXT, environment: { MCROUTE_GATEWAY: '/bin/other' } };
    assert.deepEqual(gatewayCommand(told, asTold, context), ['/bin/other', ...words]);
  });
});

describe('the environment of a program', () => {
  const inherited = {
    PATH: '/bin',
    NODE_EXTRA_CA_CERTS: '/certificates',
    MCROUTE_AGENT: '/bin/other',
    MCROUTE_GATEWAY: '/bin/another',
    LISTEN_PID: '1',
    LISTEN_FDS: '9',
    LISTEN_FDNAMES: '5.mrt4',
    WATCHDOG_PID: '1',
    WATCHDOG_USEC: '1',
    NOTIFY_SOCKET: '/run/systemd/notify',
  };

  it('names what is handed over and who listens, and has nothing that was meant for the supervisor', () => {
    const kept = [
      { fd: 20, name: 'mrt4' },
      { fd: 9, name: 'asm4' },
    ];
    assert.deepEqual(launchEnvironment({ ...CONTEXT, environment: inherited }, 30, kept), {
      PATH: '/bin',
      MCROUTE_RUNTIME_DIRECTORY: '/run/mcroute',
      NOTIFY_SOCKET: '/run/mcroute/notify.sock',
      LISTEN_FDS: '2',
      LISTEN_FDNAMES: 'mrt4:asm4',
      WATCHDOG_USEC: '30000000',
    });
  });

  it('has no names without descriptors, and no watchdog where nobody watches', () => {
    assert.deepEqual(launchEnvironment({ ...CONTEXT, environment: inherited }, 0, []), {
      PATH: '/bin',
      MCROUTE_RUNTIME_DIRECTORY: '/run/mcroute',
      NOTIFY_SOCKET: '/run/mcroute/notify.sock',
      LISTEN_FDS: '0',
    });
  });
});

describe('what is said of an agent that failed', () => {
  const exit: ProcessExit = { code: undefined, signal: undefined, startError: undefined, lastWords: '' };

  it('is the last sentence that was for people, and why', () => {
    const log = '{"level":60,"msg":"the agent could not start"}\n';
    const cases: readonly [Partial<ProcessExit>, string, RegExp][] = [
      [
        { code: 69, lastWords: 'mcroute-launch: TABLE_IN_USE: table 5 is owned by another program\n' },
        'TABLE_IN_USE',
        /^the agent of table 5 ended with 69: table 5 is owned by another program$/,
      ],
      [
        { code: 77, lastWords: 'mcroute-launch: MISSING_CAPABILITY: CAP_NET_RAW is missing\n' },
        'MISSING_CAPABILITY',
        /CAP_NET_RAW is missing/,
      ],
      [{ code: 70, lastWords: `mcroute-agent: no socket\n${log}` }, 'AGENT_FAILED', /ended with 70: no socket$/],
      [{ code: 1, lastWords: 'nsenter: cannot open red\n' }, 'AGENT_FAILED', /with 1: nsenter: cannot open red$/],
      [{ code: 1, lastWords: log }, 'AGENT_FAILED', /ended with 1: its log says why$/],
      [
        { code: 1, lastWords: 'TypeError: no map\n    at main.js:5:1\n\nNode.js v20.20.2\n' },
        'AGENT_FAILED',
        /ended with 1: TypeError: no map$/,
      ],
      [{ signal: 'SIGKILL' }, 'AGENT_FAILED', /was killed by SIGKILL/],
      [{ startError: 'spawn /bin/sh EAGAIN' }, 'AGENT_FAILED', /could not be started: spawn \/bin\/sh EAGAIN$/],
    ];
    for (const [how, reason, message] of cases) {
      const error = agentError(5, 'ended', { ...exit, ...how });
      assert.equal(error.reason, reason);
      assert.match(error.message, message);
    }
  });

  it('names the gateway where it is that', () => {
    const lastWords = 'mcroute-gateway: /etc/mcroute/gateway.yaml:1:1: what is this\n';
    const { message } = explainEnd('the gateway', 'ended', { ...exit, code: 78, lastWords });
    assert.equal(message, 'the gateway ended with 78: /etc/mcroute/gateway.yaml:1:1: what is this');
  });

  it('is its fault where it was ended for one', () => {
    assert.match(agentError(5, 'late', { ...exit, signal: 'SIGKILL' }).message, /not ready in time/);
    assert.match(agentError(5, 'silent', { ...exit, signal: 'SIGABRT' }).message, /no sign of life/);
  });
});
