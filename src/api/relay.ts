// What a gateway adds to the calls that it relays, and what agents answer to it (proto/mcroute/v1/relay.proto).

/** Who calls, 256 bytes at most. Without it the caller is on this host and may do everything. */
export const IDENTITY_HEADER = 'mcroute-identity';

/** What the caller may read and change: a Scope. */
export const SCOPE_HEADER = 'mcroute-scope-bin';

/** Present if what was changed is wanted in a trailer. */
export const WANTS_CHANGES_HEADER = 'mcroute-wants-changes';

/** What was changed: a ChangeSummary. */
export const CHANGES_TRAILER = 'mcroute-changes-bin';

/** Metadata that begins so is between gateway and agent: a gateway takes none from clients and passes none to them. */
export const RELAY_PREFIX = 'mcroute-';
