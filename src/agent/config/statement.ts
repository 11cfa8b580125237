// What a configuration says, statement by statement. Pure types.
import type { Prefix } from '../../model/address.js';
import type { Oif } from '../../model/mroute.js';
import type { Place } from './diagnostic.js';

/**
 * A line of smcroute.conf.
 *
 * Lines are read as leniently as smcrouted does: within a line the keywords may come in any order, but what follows
 * `to` are oifs; a keyword given twice counts the last time; a word that only begins with a keyword (`groups`) counts as
 * that; other words are ignored. All of that is told as a warning. A line with a word that smcroute does not have
 * (`querier`, `boundary`, `except`) was never one of its, and there unknown words are errors. Upper case is not understood, and a line is not
 * continued by `\`, as in smcrouted.
 */
export type Statement = PhyintStatement | MgroupStatement | MrouteStatement | IncludeStatement;

/**
 * `phyint IF [enable|disable] [mrdisc] [querier] [ttl-threshold N] [boundary GROUP[/L]]...`: how an interface takes part.
 *
 * Several may match one name, by wildcards too; the last one counts, as a whole: what only an earlier one says is
 * forgotten (`phyintFinder`).
 *
 * What smcrouted does with an interface that is disabled, or under its option `-N` not enabled by any line: it gets no
 * vif; as an oif it is left out of its routes, whose other oifs are served; a route from it is refused; groups are
 * joined on it all the same. Without `-N` an interface that no line names is enabled.
 */
export interface PhyintStatement {
  readonly kind: 'phyint';
  readonly place: Place;
  /** A name or a wildcard. */
  readonly interface: string;
  /** Undefined if the line does not say: on, unless interfaces are off by default (`-N`). */
  readonly isEnabled: boolean | undefined;
  /** Announce the router to switches (RFC 4286). */
  readonly mrdisc: boolean;
  /** Ask for memberships where no other querier does (RFC 3376, RFC 3810). Not in smcroute. */
  readonly querier: boolean;
  /** Threshold of its oifs that have none of their own, 1..254; undefined: 1. */
  readonly ttlThreshold: number | undefined;
  /** Groups that never enter or leave here (RFC 2365). Not in smcroute. */
  readonly boundaries: readonly Prefix[];
}

/** `mgroup from IF [source S[/L]] group G[/L]`: groups that the host itself joins. */
export interface MgroupStatement {
  readonly kind: 'mgroup';
  readonly place: Place;
  /** A name or a wildcard. */
  readonly iif: string;
  /** Length 0 is any source. */
  readonly source: Prefix;
  readonly group: Prefix;
}

/**
 * `mroute from IF [source S[/L]] group G[/L] [except S[/L][,S[/L]]...] [to OIF[@TTL]...]`: a rule.
 *
 * Of statements with the same iif, source and group the oifs are united, as smcrouted does; of one oif's thresholds the
 * lowest counts. They must agree on `except`.
 *
 * `@` parts an oif from its TTL threshold as in `mcctl add`; `ip link` shows NAME@PEER, so that no name has an `@` in
 * practice. `except` ends the oifs, so that it may stand where one would say it, after them.
 */
export interface MrouteStatement {
  readonly kind: 'mroute';
  readonly place: Place;
  /** A name or a wildcard. */
  readonly iif: string;
  /** Length 0 is any source. */
  readonly source: Prefix;
  readonly group: Prefix;
  /** Sources that the rule does not match. Not in smcroute. */
  readonly except: readonly Prefix[];
  /** As written; none: a stop filter. */
  readonly oifs: readonly Oif[];
}

/** `include GLOB`: the statements of other files, in the order of their names. */
export interface IncludeStatement {
  readonly kind: 'include';
  /** Of the pattern. */
  readonly place: Place;
  /** As glob(3) has it; relative to the folder of the file that has the line. */
  readonly pattern: string;
}
