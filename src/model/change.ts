import type { Resource, ResourceKey } from './resource.js';
import type { Mroute } from './mroute.js';

/** One step of what an owner wants. */
export type Change =
  | { readonly action: 'put'; readonly resource: Resource }
  /** `mustExist`: an error if the owner has no such resource. */
  | { readonly action: 'delete'; readonly key: ResourceKey; readonly mustExist: boolean }
  | { readonly action: 'add-oifs'; readonly mroute: Mroute }
  | { readonly action: 'remove-oifs'; readonly mroute: Mroute };

/** The difference that a change makes to its owner's resources. */
export type Effect = 'unchanged' | 'added' | 'changed' | 'removed';
