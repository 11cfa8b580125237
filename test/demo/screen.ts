// Where the demo writes: lines that stay, and on a terminal a frame below them that is drawn anew in its place.
import type { WriteStream } from 'node:tty';
import { type Palette, WIDTH, palette, seconds } from './view.js';

/** Environment variables, as in `process.env`. */
type Environment = Readonly<Record<string, string | undefined>>;

/** The demo's output. Nothing of it has to be restored when the demo is killed. */
export class Screen {
  readonly styles: Palette;
  readonly #stream: WriteStream;
  readonly #isTerminal: boolean;
  #frame: readonly string[] = [];

  constructor(stream: WriteStream, environment: Environment) {
    this.#stream = stream;
    // Only pipes and files have it undefined, whatever the type says.
    this.#isTerminal = (stream as { isTTY?: boolean }).isTTY === true && environment['TERM'] !== 'dumb';
    const forced = environment['FORCE_COLOR'] ?? '';
    const wantsColour = this.#isTerminal || (forced !== '' && forced !== '0');
    // NO_COLOR (no-color.org): set to anything but the empty text.
    this.styles = palette(wantsColour && (environment['NO_COLOR'] ?? '') === '');
  }

  /** Whether a frame of so many lines can be drawn in its place: a line that is wrapped or scrolled away cannot. */
  canShowFrame(lines: number): boolean {
    if (!this.#isTerminal) return false;
    const [columns, rows] = this.#stream.getWindowSize();
    return columns >= WIDTH && rows > lines;
  }

  /** Writes a line that stays, above the frame. */
  line(text = ''): void {
    this.#draw([text], this.#frame);
  }

  /** Replaces the frame; without lines it goes. */
  frame(lines: readonly string[]): void {
    this.#draw([], lines);
  }

  /** Says what is being done, and how long it took. */
  async step<Result>(title: string, body: () => Result | Promise<Result>): Promise<Result> {
    const start = performance.now();
    this.#stream.write(`${title} ... `);
    try {
      const result = await body();
      this.#stream.write(`${this.styles.faint(seconds(performance.now() - start))}\n`);
      return result;
    } catch (error) {
      this.#stream.write(`${this.styles.bad('failed')}\n`);
      throw error;
    }
  }

  /** One write for all of it, so that nothing half drawn is seen. */
  #draw(staying: readonly string[], frame: readonly string[]): void {
    // ECMA-48: cursor up to the first line of the frame, erase to the end of the screen.
    const erase = this.#frame.length === 0 ? '' : `\u001b[${this.#frame.length}A\u001b[J`;
    this.#frame = frame;
    this.#stream.write(`${erase}${[...staying, ...frame].map((line) => `${line}\n`).join('')}`);
  }
}
