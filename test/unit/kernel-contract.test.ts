// The fake kernel keeps the contract that the real one keeps in test/netns.
import { FakeKernel, fakeLink } from '../support/fake-kernel.js';
import { BENCH_INTERFACES, type KernelBench } from '../support/kernel-bench.js';
import { describeKernelContract } from '../support/kernel-contract.js';
import { formatAddress } from '../../src/model/address.js';

function openBench(): Promise<KernelBench> {
  let lastIfindex = 0;
  const kernel = new FakeKernel({
    links: BENCH_INTERFACES.map((name) => fakeLink(++lastIfindex, name)),
    tellsOwn: true,
  });
  const linkOf = (name: string) => {
    const link = kernel.listLinks().find((each) => each.name === name);
    if (link === undefined) throw new Error(`there is no ${name}`);
    return link;
  };
  kernel.setSetting('ipv4', 'eth0', 'rp_filter', 0);
  return Promise.resolve({
    kernel,
    send: (iif, source, group, ttl) => Promise.resolve(kernel.send(iif, source, group, ttl)),
    addLink: (name) => {
      kernel.setLink(fakeLink(++lastIfindex, name));
      return Promise.resolve();
    },
    removeLink: (name) => {
      kernel.removeLink(linkOf(name).ifindex);
    },
    renameLink: (from, to) => {
      kernel.renameLink(linkOf(from).ifindex, to);
    },
    setDown: (name) => {
      kernel.setLink({ ...linkOf(name), isUp: false });
    },
    setRpFilter: (name, value) => {
      kernel.setSetting('ipv4', name, 'rp_filter', value);
    },
    isJoined: (ifindex, group) => kernel.joins().some((join) => join.startsWith(`${ifindex} ${formatAddress(group)} `)),
    addMrule: (rule) => {
      kernel.addMrule(rule);
    },
    deleteMrule: (rule) => {
      kernel.deleteMrule(rule);
    },
    deleteMfc: (source, group) => {
      kernel.deleteMfc(source, group);
    },
    [Symbol.dispose]: () => {
      kernel.close();
    },
  });
}

describeKernelContract('the fake kernel', openBench);
