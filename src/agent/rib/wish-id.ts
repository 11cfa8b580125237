// Ids under which the fib knows wishes: an owner and a formatted key. Owners have no spaces.

export function wishId(owner: string, key: string): string {
  return `${owner} ${key}`;
}

/** The formatted key of a wish. */
export function keyOfWishId(id: string): string {
  return id.slice(id.indexOf(' ') + 1);
}
