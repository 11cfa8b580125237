/** Something wrong with the configuration file. */
export interface Finding {
  /** `FILE:LINE:COLUMN`, from 1 on; `FILE` where it is about all of it. */
  readonly where: string;
  /** What is wrong and what was expected. */
  readonly text: string;
}

/** Findings that one error tells; it says how many more there are. */
const FINDINGS_MAX = 100;

/** The configuration file cannot be used; the message has one finding a line. */
export class ConfigurationError extends Error {
  readonly code = 'CONFIGURATION';
  /** The first hundred. */
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[], cause?: unknown) {
    const shown = findings.slice(0, FINDINGS_MAX);
    const lines = shown.map(({ where, text }) => `${where}: ${text}`);
    const hidden = findings.length - shown.length;
    super([...lines, ...(hidden > 0 ? [`(and ${hidden} more)`] : [])].join('\n'), { cause });
    this.findings = shown;
  }
}
