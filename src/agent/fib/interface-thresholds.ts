// The TTL thresholds that owners want of interfaces.

export class InterfaceThresholds {
  /** By interface name, then by id. */
  readonly #byName = new Map<string, Map<string, number>>();

  /** The highest that an owner wants; 1 if none wants any. */
  of(name: string): number {
    return Math.max(1, ...(this.#byName.get(name)?.values() ?? []));
  }

  /** Ids of the settings of the interface. */
  idsOf(name: string): string[] {
    return [...(this.#byName.get(name)?.keys() ?? [])];
  }

  /** @returns whether the threshold of the interface is another now */
  set(id: string, name: string, ttlThreshold: number | undefined): boolean {
    const before = this.of(name);
    const thresholds = this.#byName.get(name) ?? new Map<string, number>();
    if (ttlThreshold === undefined) thresholds.delete(id);
    else thresholds.set(id, ttlThreshold);
    if (thresholds.size === 0) this.#byName.delete(name);
    else this.#byName.set(name, thresholds);
    return this.of(name) !== before;
  }
}
