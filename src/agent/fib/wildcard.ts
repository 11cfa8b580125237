// What an interface pattern stands for.
import { type Link, isWildcard, matchesInterface } from '../../model/interface.js';

/**
 * The names of the present interfaces that the pattern stands for, in the order of the links: an exact name for
 * itself whatever its flags, a wildcard for those on which multicast can be expected.
 */
export function interfacesOf(pattern: string, links: Iterable<Link>): string[] {
  const names: string[] = [];
  for (const link of links) if (standsFor(pattern, link)) names.push(link.name);
  return names;
}

/** Whether the pattern stands for the link. */
export function standsFor(pattern: string, link: Link): boolean {
  if (!matchesInterface(pattern, link.name)) return false;
  if (!isWildcard(pattern)) return true;
  return link.isUp && !link.isLoopback && link.hasMulticast && !isFallbackDevice(link.name);
}

/** Devices that a loaded tunnel module or MRT socket puts into every network namespace, and that nobody routes over. */
function isFallbackDevice(name: string): boolean {
  return FALLBACK_DEVICES.has(name) || /^pim6?reg\d*$/.test(name);
}

const FALLBACK_DEVICES = new Set([
  'gre0',
  'gretap0',
  'erspan0',
  'ip6tnl0',
  'sit0',
  'ip6gre0',
  'tunl0',
  'ip_vti0',
  'ip6_vti0',
]);
