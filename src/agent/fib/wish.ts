// What is wanted under one id, and what was told of it.
import type { Resource, Status } from '../../model/resource.js';
import type { Rule } from './rule.js';

/** Names a wish. Opaque; ids are the same if they are so as keys of a Map. */
export type WishId = string | object;

export interface Wish {
  readonly id: WishId;
  resource: Resource;
  /** Of an mroute whose family is there. */
  rule: Rule | undefined;
  /** Undefined: must be made again. */
  status: Status | undefined;
  /** As it was when last taken; undefined: it never was. */
  told: Status | undefined;
  /** It is among the wishes whose status may have changed. */
  isTouched: boolean;
  /** Nobody wants it any more. */
  isGone: boolean;
}

export function makeWish(id: WishId, resource: Resource): Wish {
  return { id, resource, rule: undefined, status: undefined, told: undefined, isTouched: false, isGone: false };
}

/** The wishes whose status may have changed since last taken. */
export class TouchedWishes {
  #wishes: Wish[] = [];

  add(wish: Wish): void {
    wish.status = undefined;
    if (wish.isTouched) return;
    wish.isTouched = true;
    this.#wishes.push(wish);
  }

  take(): readonly Wish[] {
    const wishes = this.#wishes;
    this.#wishes = [];
    for (const wish of wishes) wish.isTouched = false;
    return wishes;
  }
}
