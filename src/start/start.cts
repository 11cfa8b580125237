// Starts a program: `node start.cjs PROGRAM ARGUMENT...`. CommonJS, since Node needs its loader of modules for
// anything else, which takes longer than all that is done here.
//
// It runs the bundle of the program (scripts/bundle.mjs) with the code that V8 compiled of it in earlier runs, by the same
// Node with the same flags. Where there is no such code, or it is another's, or damaged, V8 compiles again; where there is no
// bundle, or tsc has written since it was made, the modules of dist/ run.
//
//   start.cjs look PROGRAM                         tells which of these it is
//   start.cjs learn FILE PROGRAM ARGUMENT...       adds to FILE what V8 compiles in this run; `-` is
//                                                  the file that is looked for at a start
(() => {
  const { readFileSync, renameSync, statSync, writeFileSync } = process.getBuiltinModule('node:fs');
  const { createRequire } = process.getBuiltinModule('node:module');
  const path = process.getBuiltinModule('node:path');
  const { pathToFileURL } = process.getBuiltinModule('node:url');
  const { Script } = process.getBuiltinModule('node:vm');
  const { crc32 } = process.getBuiltinModule('node:zlib');

  const DIST = path.join(__dirname, '../..');

  /** The modules with which programs begin, below dist/src. */
  const MAINS: Readonly<Record<string, string>> = {
    'mcroute-agent': 'agent/main.js',
    'mcroute-supervisor': 'supervisor/main.js',
    'mcroute-gateway': 'gateway/main.js',
    mcctl: 'cli/main.js',
    smcroutectl: 'cli/smcroute/main.js',
    smcrouted: 'agent/smcrouted/main.js',
  };

  /**
   * Those that run for long. They load the addon in any case, and their bundles and compiled code are in no memory of their
   * own: only in the kernel's cache of files, which all of them share.
   */
  const SHARING = new Set(['mcroute-agent', 'mcroute-supervisor', 'mcroute-gateway', 'smcrouted']);

  /** The part of the addon that is needed here (src/runtime/native.ts). */
  interface Addon {
    mapText(path: string): Content;
  }

  /** A file as bytes and as characters, one for each byte. */
  interface Content {
    readonly bytes: Uint8Array;
    readonly text: string;
  }

  /** Bytes before the compiled code: CRC-32 of the bundle, CRC-32 of the code. */
  const HEADER = 8;

  const words = process.argv.slice(2);
  const isLooking = words[0] === 'look';
  const isLearning = words[0] === 'learn';
  const [program = '', ...args] = words.slice(isLooking ? 1 : isLearning ? 2 : 0);
  const main = MAINS[program];
  if (main === undefined) throw new Error(`${program} is no program: ${Object.keys(MAINS).join(', ')}`);
  const bundle = path.join(DIST, `programs/${program}.cjs`);
  const hasBundle = modifiedMs(bundle) > modifiedMs(path.join(DIST, '.tsbuildinfo'));
  const usualCode = `${bundle}.${process.version}-${process.arch}.cache`;
  const codeFile = isLearning && words[1] !== '-' ? (words[1] ?? '') : usualCode;
  const file = hasBundle ? bundle : path.join(DIST, 'src', main);
  if (isLooking) {
    process.stdout.write(`${hasBundle ? look() : 'modules'}\n`);
  } else {
    process.argv.splice(1, process.argv.length, file, ...args);
    if (hasBundle) {
      runBundle();
    } else {
      process.setSourceMapsEnabled(true);
      void import(pathToFileURL(file).href);
    }
  }

  /** 0 if the file is not there. */
  function modifiedMs(file: string): number {
    return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  }

  function runBundle(): void {
    const source = readContent(bundle);
    const script = toScript(source, readCode(source));
    if (isLearning)
      process.on('exit', () => {
        writeCode(script, source);
      });
    // The scope of a CommonJS module.
    const module = { exports: {} };
    const run = script.runInThisContext() as (...scope: unknown[]) => void;
    run(module.exports, createRequire(bundle), module, bundle, path.dirname(bundle));
  }

  /** @throws Error if the file cannot be read. */
  function readContent(file: string): Content {
    if (SHARING.has(program)) {
      try {
        // A sanitizer's addon is in MCROUTE_ADDON.
        const addon = process.env['MCROUTE_ADDON'] ?? path.join(DIST, '../native/build/Release/kernel.node');
        return (createRequire(__filename)(addon) as Addon).mapText(file);
      } catch {
        // The program says what is wrong with the addon.
      }
    }
    const bytes = readFileSync(file);
    return {
      bytes,
      get text() {
        return bytes.toString('latin1');
      },
    };
  }

  /** A bundle is a function, and ASCII, so that a byte is a character. */
  function toScript({ text }: Content, cachedData?: Uint8Array): InstanceType<typeof Script> {
    // Compiled code has the name inside, and may have been compiled in another folder.
    const filename = path.basename(bundle);
    return new Script(text, { filename, ...(cachedData !== undefined && { cachedData }) });
  }

  /** What V8 compiled of this very bundle; undefined if there is none. V8 sees to its own version and flags, and to nothing else. */
  function readCode(source: Content): Uint8Array | undefined {
    let content: Uint8Array;
    try {
      content = readContent(codeFile).bytes;
    } catch {
      return undefined;
    }
    if (content.length < HEADER) return undefined;
    const header = new DataView(content.buffer, content.byteOffset, HEADER);
    const code = content.subarray(HEADER);
    const isOurs = header.getUint32(0, true) === crc32(source.bytes) && header.getUint32(4, true) === crc32(code);
    return isOurs ? code : undefined;
  }

  /** What a start would run. */
  function look(): string {
    const source = readContent(bundle);
    const code = readCode(source);
    if (code === undefined) return 'bundle';
    return toScript(source, code).cachedDataRejected === true ? 'bundle, V8 refuses its code' : 'bundle with its code';
  }

  /** What V8 compiled beforehand, and since. Functions that no run needed are not among it: they would take memory only. */
  function writeCode(script: InstanceType<typeof Script>, { bytes }: Content): void {
    // Programs set these once they run (runtime/idle-collector.ts), and V8 takes code only under the flags that it was compiled
    // with: back to what V8 has by itself.
    for (const flag of ['--heap-growing-percent=0', '--semi-space-growth-factor=2']) {
      process.getBuiltinModule('node:v8').setFlagsFromString(flag);
    }
    const code = script.createCachedData();
    const header = Buffer.alloc(HEADER);
    header.writeUInt32LE(crc32(bytes), 0);
    header.writeUInt32LE(crc32(code), 4);
    const fresh = `${codeFile}.${process.pid}`;
    writeFileSync(fresh, Buffer.concat([header, code]));
    renameSync(fresh, codeFile);
  }
})();
