// The tags of the fields of Apply and Replace, as proto/mcroute/v1 has them; `known` is the highest number of a message's
// fields, which has all numbers up to that.
import { lengthTag, varintTag } from './wire-writer.js';

/** Of both requests. */
export const HEADER_FIELDS = {
  table: varintTag(1),
  owner: lengthTag(2),
  /** Changes of Apply, resources of Replace. */
  elements: lengthTag(3),
  validateOnly: varintTag(4),
  expectedRevision: varintTag(5),
  strict: varintTag(6),
  /** `results` of Apply, `resource_count` of Replace. */
  own: varintTag(7),
  /** `confirm_within` is seldom there, and left to the generated decoder. */
  comment: lengthTag(9),
  requestId: lengthTag(10),
  known: 10,
} as const;

export const CHANGE_FIELDS = {
  id: varintTag(1),
  put: lengthTag(2),
  delete: lengthTag(3),
  addOifs: lengthTag(4),
  removeOifs: lengthTag(5),
  deleteExisting: lengthTag(6),
  known: 6,
} as const;

/** Of a resource, and of the key of one. */
export const RESOURCE_FIELDS = {
  mroute: lengthTag(1),
  membership: lengthTag(2),
  interface: lengthTag(3),
  known: 3,
} as const;

export const MROUTE_FIELDS = {
  key: lengthTag(1),
  oifs: lengthTag(2),
  except: lengthTag(3),
  deny: varintTag(4),
  label: lengthTag(5),
  known: 5,
} as const;

export const MROUTE_KEY_FIELDS = { iif: lengthTag(1), source: lengthTag(2), group: lengthTag(3), known: 3 } as const;

export const OIF_FIELDS = { interface: lengthTag(1), ttlThreshold: varintTag(2), known: 2 } as const;

export const MEMBERSHIP_FIELDS = { key: lengthTag(1), label: lengthTag(2), known: 2 } as const;

export const MEMBERSHIP_KEY_FIELDS = {
  interface: lengthTag(1),
  group: lengthTag(2),
  source: lengthTag(3),
  known: 3,
} as const;

export const INTERFACE_FIELDS = {
  key: lengthTag(1),
  ttlThreshold: varintTag(2),
  enabled: varintTag(3),
  querier: varintTag(4),
  mrdisc: varintTag(5),
  boundaries: lengthTag(6),
  known: 6,
} as const;

export const INTERFACE_KEY_FIELDS = { name: lengthTag(1), known: 1 } as const;

/** The numbers of ResultView. */
export const RESULT_VIEWS = {
  RESULT_VIEW_UNSPECIFIED: 0,
  RESULT_VIEW_ALL: 1,
  RESULT_VIEW_NOTABLE: 2,
} as const;
