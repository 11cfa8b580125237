// What a protocol of links needs to know of an interface.
import type { Link } from '../../model/interface.js';
import type { LinkAddress } from '../kernel/port.js';
import type { SignallingWish } from './types.js';

/** @param addresses of all interfaces, those of one in the kernel's order */
export function signallingWish(
  { link, isQuerier, isAdvertised }: Pick<SignallingWish, 'isQuerier' | 'isAdvertised'> & { readonly link: Link },
  addresses: readonly LinkAddress[],
): SignallingWish {
  const { name, ifindex, isUp } = link;
  const own = addresses.filter((each) => each.ifindex === ifindex).map(({ address }) => address);
  return { name, ifindex, isUp, addresses: own, isQuerier, isAdvertised };
}
