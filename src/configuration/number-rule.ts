// Whole numbers of settings. Pure.

/** A whole number of a setting, with its bounds and how a message names it. */
export interface NumberRule {
  readonly min: number;
  readonly max: number;
  /** Such as `a table's id`. */
  readonly what: string;
}

/** What is wrong with a value and what was expected; undefined where it is right. */
export function complaintAboutNumber(value: number, rule: NumberRule): string | undefined {
  if (Number.isInteger(value) && value >= rule.min && value <= rule.max) return undefined;
  return `${value} is not ${rule.what}: ${expectedOf(rule)}`;
}

/** The bounds in words. */
export function expectedOf({ min, max }: NumberRule): string {
  return `a whole number, ${min} to ${max}`;
}
