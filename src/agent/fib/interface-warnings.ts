// What a person should know of an interface's settings, since the kernel says nothing when it drops for them.
import type { Family } from '../../model/address.js';
import type { Warning } from '../../model/resource.js';

/** Settings of an interface; undefined where one cannot be read. */
export interface InterfaceConfiguration {
  readonly name: string;
  /** The larger of the interface's and of `all` holds (`IN_DEV_RPFILTER`). */
  readonly rpFilter: number | undefined;
  readonly isIpv6Disabled: boolean;
  /** Families in which the table uses the interface. */
  readonly families: readonly Family[];
}

/** The warnings of an interface that the table uses. */
export function interfaceWarnings(configuration: InterfaceConfiguration): Warning[] {
  const { name, rpFilter, isIpv6Disabled, families } = configuration;
  const warnings: Warning[] = [];
  // Loose filtering (2) drops only sources without any route, which a default route makes an empty set.
  if (families.includes('ipv4') && rpFilter === 1) {
    warnings.push({
      code: 'RP_FILTER',
      text:
        `rp_filter is strict on ${name}: packets whose source has no route back through it are dropped without a word; ` +
        `'sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.${name}.rp_filter=0', or add a route to the sources`,
    });
  }
  if (families.includes('ipv6') && isIpv6Disabled) {
    warnings.push({
      code: 'IPV6_DISABLED',
      text: `IPv6 is off on ${name}, so that nothing enters or leaves there; 'sysctl -w net.ipv6.conf.${name}.disable_ipv6=0'`,
    });
  }
  return warnings;
}
