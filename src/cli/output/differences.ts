// What `diff` prints: an owner's resources before and after, as + and - lines. Pure.
import type { Difference__Output } from '../../api/generated/mcroute/v1/Difference.js';
import type { Resource__Output } from '../../api/generated/mcroute/v1/Resource.js';
import { type Document, resourceDocument } from './document.js';
import { printable, resourceText } from './text.js';

/** A resource before and after; one of them is missing where it is added or removed. */
export interface Difference {
  readonly before: Resource__Output | undefined;
  readonly after: Resource__Output | undefined;
}

/** As the API tells it. */
export function differenceOf({ before, after }: Difference__Output): Difference {
  return { before: before ?? undefined, after: after ?? undefined };
}

export function differenceLines({ before, after }: Difference, hasColour: boolean): string {
  const lines = [];
  if (before !== undefined) lines.push(paint(`- ${printable(resourceText(before))}`, RED, hasColour));
  if (after !== undefined) lines.push(paint(`+ ${printable(resourceText(after))}`, GREEN, hasColour));
  return lines.map((line) => `${line}\n`).join('');
}

export function differenceDocument({ before, after }: Difference): Document {
  return {
    before: before === undefined ? null : resourceDocument(before),
    after: after === undefined ? null : resourceDocument(after),
  };
}

// SGR codes.
const RED = 31;
const GREEN = 32;

function paint(text: string, colour: number, hasColour: boolean): string {
  return hasColour ? `\u001b[${colour}m${text}\u001b[0m` : text;
}
