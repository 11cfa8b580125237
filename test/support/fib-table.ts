// A fib with a kernel in memory and a few links, told in words: for tests that read as a history.
import type { FibOptions } from '../../src/agent/fib/fib.js';
import type { Link } from '../../src/model/interface.js';
import type { Status } from '../../src/model/resource.js';
import { FakeKernel, fakeLink } from './fake-kernel.js';
import { describeOperations, membership, mroute, openFib, settle, settleLinks } from './fib-turns.js';
import { interfaceSettings } from './interface-conditions.js';

/** `eth1` to `eth4`, with the ifindexes 1 to 4. */
export const TABLE_LINKS: readonly Link[] = [1, 2, 3, 4].map((n) => fakeLink(n, `eth${n}`));

/** Opens a fib that makes its own mrules and has taken its first turns with these rules. */
export function openTable(rules: Readonly<Record<string, string>> = {}, options: Partial<FibOptions> = {}) {
  const kernel = new FakeKernel({ links: TABLE_LINKS });
  const fib = openFib(options);
  const put = (id: string, text: string) => {
    fib.setWish(id, mroute(text));
  };
  for (const [id, text] of Object.entries(rules)) put(id, text);
  settleLinks(fib, kernel);
  return {
    kernel,
    fib,
    put,
    join: (id: string, text: string) => {
      fib.setWish(id, membership(text));
    },
    remove: (id: string) => {
      fib.setWish(id, undefined);
    },
    /** What an owner wants of an interface; nothing if it is left out. */
    setInterface: (name: string, differing?: Parameters<typeof interfaceSettings>[1], owner = 'cli') => {
      fib.setWish(`${owner} ${name}`, differing && interfaceSettings(name, differing));
    },
    settle: () => describeOperations(settle(fib, kernel)),
    settleLinks: () => describeOperations(settleLinks(fib, kernel)),
    /** State and what is missing, such as `partial, INTERFACE_DISABLED eth2`. */
    progress: (id: string) => describeProgress(fib.status(id)),
    /** Texts of the warnings with the code. */
    warnings: (id: string, code: string) =>
      fib
        .status(id)
        .warnings.filter((warning) => warning.code === code)
        .map(({ text }) => text),
  };
}

function describeProgress({ state, missing }: Status): string {
  return [state, ...missing.map(({ reason, interface: name }) => `${reason} ${name}`)].join(', ');
}
