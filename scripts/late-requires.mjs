// Packages ask for all their modules when they are loaded, which takes time and memory at every start. What programs of
// ours need seldom or never is asked for where it is used, in bundles. A bundle that cannot be made so is not made: the
// table is for the versions of package-lock.json.
import { readFile } from 'node:fs/promises';
import { ROOT } from './programs.mjs';

/** Of modules of node_modules, which of those that they ask for can wait. */
export const LATE = {
  // Servers need no clients. Most targets are sockets of this host, and no names are resolved for them.
  '@grpc/grpc-js/build/src/index.js': {
    all: true,
    edits: [
      [/^exports\.experimental = experimental;$/m, ''],
      [/^ {4}(create\w+): (\w+_1\.\w+\.\w+),$/gm, '    get $1() { return $2; },'],
      [/^ {4}(?:resolver_dns|resolver_ip|load_balancer_\w+|channelz)\.setup\(\);$/gm, ''],
    ],
  },
  '@grpc/grpc-js/build/src/resolver.js': {
    // Names of other hosts, when the first is asked for.
    edits: [
      [
        /^function mapUriDefaultScheme\(target\) \{$/m,
        '$& if (target.scheme === "dns") require("./resolver-dns").setup();',
      ],
    ],
  },
  '@grpc/grpc-js/build/src/client.js': {
    // What index.js has done for servers too.
    edits: [[/^exports\.Client = Client;$/m, '$& require("./load-balancer-pick-first").setup();']],
  },
  '@grpc/grpc-js/build/src/channelz.js': { late: ['./admin', './make-client'] },
  '@grpc/grpc-js/build/src/server-interceptors.js': { late: ['./orca', 'tls'] },
  '@grpc/grpc-js/build/src/orca.js': {
    late: ['./make-client', './channel-credentials', './backoff-timeout', './connectivity-state'],
  },
  '@grpc/grpc-js/build/src/http_proxy.js': { late: ['./resolver-dns', 'http'] },
  'commander/lib/command.js': { late: ['node:child_process'] },
  'pino/lib/tools.js': { late: ['worker_threads'] },
  'sonic-boom/index.js': { late: ['assert'] },
  'thread-stream/index.js': { late: ['assert', 'worker_threads'] },
};

/** What modules of ours import by its names, and most runs do not need. */
const LATE_IMPORTS = ['yaml', 'node:child_process', 'node:fs/promises', 'node:timers/promises'];

/** The plugin of esbuild. */
export const lateRequires = {
  name: 'late-requires',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: new RegExp(`^(?:${LATE_IMPORTS.join('|')})$`) }, ({ path, importer, kind }) => {
      return kind === 'import-statement' && !importer.includes('/node_modules/')
        ? { path, namespace: 'late' }
        : undefined;
    });
    onLoad({ filter: /.*/, namespace: 'late' }, async ({ path }) => {
      return { contents: lateModule(path, Object.keys(await import(path))), resolveDir: ROOT };
    });
    const files = Object.keys(LATE).map((file) => file.replace(/[.]/g, '\\$&'));
    const filter = new RegExp(`/node_modules/(?:${files.join('|')})$`);
    onLoad({ filter }, async ({ path }) => {
      const file = path.slice(path.lastIndexOf('/node_modules/') + '/node_modules/'.length);
      return { contents: withLateRequires(await readFile(path, 'utf8'), file), loader: 'js' };
    });
  },
};

/** The text of a CommonJS module that asks later. @throws Error if the module is not as the table has it. */
export function withLateRequires(text, file, { late = [], all = false, edits = [] } = LATE[file]) {
  let changed = text;
  for (const [from, to] of edits) {
    const edited = changed.replace(from, to);
    if (edited === changed) throw new Error(`${file} has nothing like ${from}`);
    changed = edited;
  }
  const found = new Set();
  const requires = /^(?:const|var) (\w+|\{ \w+ \}) = require\((['"])([^'"]+)\2\);?$/gm;
  const taken = [...changed.matchAll(requires)].filter(([, , , module]) => all || late.includes(module));
  for (const [line, name, , module] of taken) {
    found.add(module);
    const [identifier, value] = name.startsWith('{')
      ? [name.slice(2, -2), `require(${JSON.stringify(module)}).${name.slice(2, -2)}`]
      : [name, `require(${JSON.stringify(module)})`];
    changed = changed.replace(line, '').replace(usesOf(identifier), (_use, before) => {
      return before === undefined ? value : `${before}(${value})`;
    });
  }
  const missing = late.filter((module) => !found.has(module));
  if (missing.length > 0) throw new Error(`${file} does not ask for ${missing.join(', ')} in a line of its own`);
  return changed;
}

/** A CommonJS module with the names of another, which is asked for when the value of one is. */
function lateModule(path, names) {
  const module = `require(${JSON.stringify(path)})`;
  const properties = names
    .filter((name) => name !== 'default' && name !== 'module.exports')
    .map((name) => `  ${name}: { enumerable: true, get: () => ${module}.${name} },`);
  return ['Object.defineProperties(exports, {', ...properties, '});', ''].join('\n');
}

/** An identifier as a value, but for comments: neither a property nor a part of another word. */
function usesOf(identifier) {
  return new RegExp(`(?<![\\w$.'"/*-]|^ \\*.*|//.*)(new )?(?<![\\w$])${identifier}(?![\\w$:'"])`, 'gm');
}
