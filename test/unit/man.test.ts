// The manual pages say what the programs say of themselves, no less and no more, and their examples work.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { parseConfiguration } from '../../src/agent/config/parse.js';
import { parseResourceFile } from '../../src/cli/file/resource-file.js';
import { runProgram } from '../../src/cli/program.js';
import { parseCommand } from '../../src/cli/smcroute/command.js';
import { parseOptions } from '../../src/cli/smcroute/options.js';
import { parseConfiguration as parseGateway } from '../../src/gateway/configuration.js';
import { parsePolicy } from '../../src/gateway/policy.js';
import { RIGHTS, ROLES } from '../../src/gateway/rights.js';
import { parseConfiguration as parseTables } from '../../src/supervisor/configuration.js';
import { projectFile, run } from '../support/launcher.js';
import { commandLines, fencedBlocks } from '../support/guide.js';
import { type Item, itemsOf, literalsOf } from '../support/mdoc.js';

const FOLDER = projectFile('man');
const PAGES = readdirSync(FOLDER).sort();
const GUIDE = readFileSync(projectFile('docs/migrating-from-smcroute.md'), 'utf8');

function page(name: string): string {
  return readFileSync(join(FOLDER, name), 'utf8');
}

/** The words of the items that begin with a macro, `Fl` or `Cm`, in order of the alphabet. */
function itemWords(items: readonly Item[], macro: 'Fl' | 'Cm'): string[] {
  const words = items
    .filter(({ head }) => head.startsWith(`${macro} `))
    .flatMap(({ head }) => {
      if (macro === 'Cm') return head.split(' ')[1] ?? '';
      return [...head.matchAll(/\bFl (\S+)/g)].map(([, name = '']) => `-${name}`);
    });
  return words.sort();
}

/** The lines of a block of a help, which ends with an empty line. */
function blockOf(help: string, heading: RegExp): string[] {
  const lines = help.split('\n');
  const start = lines.findIndex((line) => heading.test(line)) + 1;
  assert.notEqual(start, 0, `no ${heading.source} in ${help}`);
  const end = lines.indexOf('', start);
  return lines.slice(start, end === -1 ? undefined : end);
}

/** The options that a help lists, both names of each. */
function helpOptions(help: string): string[] {
  const lines = /^Options:$/m.test(help) ? blockOf(help, /^Options:$/) : help.split('\n');
  const terms = lines.flatMap((line) => /^ {2}(-.*?)(?: {2}|$)/.exec(line)?.[1] ?? []);
  return terms.flatMap((term) => [...term.matchAll(/(?<![\w<[])--?[A-Za-z][\w-]*/g)].map(([name]) => name)).sort();
}

/** The commands that a help lists. */
function helpCommands(help: string): string[] {
  return blockOf(help, /^Commands\b/)
    .flatMap((line) => /^ {2}([a-z]+)/.exec(line)?.[1] ?? [])
    .sort();
}

/** Runs mcctl in this process where there is no agent; gives its status and what it printed. */
async function mcctl(words: readonly string[], directory = '/nowhere'): Promise<{ status: number; text: string }> {
  let text = '';
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      text += chunk.toString();
      done();
    },
  });
  const environment = { MCROUTE_RUNTIME_DIRECTORY: directory, XDG_CONFIG_HOME: directory, MCROUTE_TABLE: '123' };
  const status = await runProgram(words, {
    environment,
    stdin: Readable.from([]),
    stdout: sink,
    stderr: sink,
    version: '0',
  });
  return { status, text };
}

describe('man/', () => {
  it('has a page for every program, and for both files', () => {
    const programs = readdirSync(projectFile('bin'));
    for (const program of programs) {
      assert.ok(
        PAGES.some((name) => name.replace(/\.\d$/, '') === program),
        `no page of ${program}`,
      );
    }
    for (const file of ['mcroute.conf.5', 'mcroute.yaml.5']) assert.ok(PAGES.includes(file), file);
  });

  it('refers to pages of ours that are there', () => {
    for (const name of PAGES) {
      for (const [, other = '', section = ''] of page(name).matchAll(/^\.Xr ((?:mc|smc)\S+) (\d)/gm)) {
        assert.ok(PAGES.includes(`${other}.${section}`), `${name}: ${other}(${section})`);
      }
    }
  });

  const hasMandoc = spawnSync('mandoc', ['-V']).error === undefined;
  it('is clean for mandoc', { skip: hasMandoc ? false : 'mandoc is not installed (Debian package mandoc)' }, () => {
    const files = PAGES.map((name) => join(FOLDER, name));
    const { status, stdout } = spawnSync('mandoc', ['-Tlint', '-W', 'warning', ...files], { encoding: 'utf8' });
    assert.equal(stdout, '');
    assert.equal(status, 0);
  });

  it('is linked from the README', () => {
    const readme = readFileSync(projectFile('README.md'), 'utf8');
    for (const name of PAGES) assert.ok(readme.includes(`(man/${name})`), name);
    assert.ok(readme.includes('(docs/migrating-from-smcroute.md)'));
  });
});

describe('the options of a page are those of the program', () => {
  for (const [program, section, word] of [
    ['mcroute-agent', 8, '--help'],
    ['mcroute-supervisor', 8, '--help'],
    ['mcroute-gateway', 8, '--help'],
    ['smcrouted', 8, '-h'],
    ['smcroutectl', 8, '-h'],
  ] as const) {
    it(program, () => {
      const { status, stdout, stderr } = run([projectFile(`bin/${program}`), word]);
      assert.equal(status, 0, stderr);
      const items = itemsOf(page(`${program}.${section}`)).filter((item) => item.section === 'OPTIONS');
      assert.deepEqual(itemWords(items, 'Fl'), helpOptions(stdout));
    });
  }
});

describe('the commands of a page are those of the program', () => {
  it('smcroutectl', () => {
    const { stdout } = run([projectFile('bin/smcroutectl'), 'help']);
    const items = itemsOf(page('smcroutectl.8')).filter(({ section }) => section === 'COMMANDS');
    assert.deepEqual(itemWords(items, 'Cm'), helpCommands(stdout));
  });

  it('mcctl, each with its options', async () => {
    const help = (await mcctl(['--help'])).text;
    const items = itemsOf(page('mcctl.1'));
    assert.deepEqual(
      itemWords(
        items.filter(({ section }) => section === 'OPTIONS'),
        'Fl',
      ),
      helpOptions(help),
    );
    const commandsOf = async (words: readonly string[]) =>
      helpCommands((await mcctl([...words, '--help'])).text).filter((name) => name !== 'help');
    const groups = ['table', 'policy', 'context', 'cert'];
    const commands = helpCommands(help).filter((name) => name !== 'help' && !groups.includes(name));
    for (const group of groups) commands.push(...(await commandsOf([group])).map((name) => `${group} ${name}`));
    const titles = [...page('mcctl.1').matchAll(/^\.(Sh|Ss) (.+)$/gm)];
    const start = titles.findIndex(([, , title]) => title === 'COMMANDS');
    const end = titles.findIndex(([, macro], index) => index > start && macro === 'Sh');
    assert.deepEqual(
      titles
        .slice(start + 1, end)
        .map(([, , title = '']) => title)
        .sort(),
      [...commands, 'help'].sort(),
    );
    for (const command of commands) {
      const told = items.filter(({ section, subsection }) => section === 'COMMANDS' && subsection === command);
      const options = helpOptions((await mcctl([...command.split(' '), '--help'])).text);
      // Told once, for all commands.
      const expected = options.filter((name) => name !== '-h' && name !== '--help');
      assert.deepEqual(itemWords(told, 'Fl'), expected, command);
    }
  });
});

/** A word that is like none of any vocabulary: who is asked for it says what is expected. */
const NO_WORD = 'qqqqqqqqqqqq';

describe('mcroute.conf(5)', () => {
  const text = page('mcroute.conf.5');
  const items = itemsOf(text);
  const expectedBy = (line: string) => {
    const { diagnostics } = parseConfiguration(line, 'f');
    const list = diagnostics.flatMap((one) => /^is not a .*: expected (.+)$/.exec(one.text)?.[1] ?? [])[0];
    assert.ok(list !== undefined, line);
    return list.split(/, | or /).sort();
  };
  const statements = expectedBy(NO_WORD);

  it('has every statement', () => {
    const titles = [...text.matchAll(/^\.(Sh|Ss) (.+)$/gm)];
    const start = titles.findIndex(([, , title]) => title === 'STATEMENTS');
    const end = titles.findIndex(([, macro], index) => index > start && macro === 'Sh');
    const told = titles.slice(start + 1, end).map(([, , title = '']) => title);
    assert.deepEqual(told.sort(), statements);
  });

  for (const statement of statements.filter((name) => name !== 'include')) {
    it(`has the keywords of ${statement}`, () => {
      const told = items.filter(({ section, subsection }) => section === 'STATEMENTS' && subsection === statement);
      assert.deepEqual(itemWords(told, 'Cm'), expectedBy(`${statement} eth0 ${NO_WORD}`));
    });
  }

  it('has examples without an error or a warning', () => {
    const examples = literalsOf(text, 'EXAMPLES');
    assert.ok(examples.length > 3);
    for (const example of examples) {
      const { statements: parsed, diagnostics } = parseConfiguration(example, 'example');
      assert.deepEqual(diagnostics, []);
      assert.equal(parsed.length, example.trim().split('\n').length);
    }
  });
});

describe('mcctl(1)', () => {
  it('has a file of resources that is taken', () => {
    const [example = ''] = literalsOf(page('mcctl.1'), 'FILES OF RESOURCES');
    assert.equal(parseResourceFile(example, 'example').resources.length, 3);
  });
});

describe('mcroute.yaml(5)', () => {
  const text = page('mcroute.yaml.5');
  const keysOf = (file: string) => {
    try {
      parseTables(file, 'f');
    } catch (error) {
      const list = error instanceof Error ? /known are (.+)$/m.exec(error.message)?.[1] : undefined;
      if (list !== undefined) return list.split(', ').sort();
    }
    return assert.fail(`nothing was said of the keys of ${file}`);
  };

  for (const [subsection, file] of [
    ['The file', `${NO_WORD}: 1`],
    ['A table', `tables: [{ id: 1, ${NO_WORD}: 1 }]`],
    ['The gateway', `gateway: { ${NO_WORD}: 1 }`],
    ['Options', `tables: [{ id: 1, options: { ${NO_WORD}: 1 } }]`],
  ] as const) {
    it(`has the keys of: ${subsection}`, () => {
      const told = itemsOf(text).filter((item) => item.section === 'KEYS' && item.subsection === subsection);
      assert.deepEqual(itemWords(told, 'Cm'), keysOf(file));
    });
  }

  it('has examples that the supervisor takes', () => {
    const examples = literalsOf(text, 'EXAMPLES');
    assert.ok(examples.length > 1);
    for (const example of examples) assert.ok(parseTables(example, 'example').tables.length > 0);
  });
});

describe('the pages of the gateway', () => {
  const DEFAULTS = { runtimeDirectory: '/run/mcroute', logsDirectory: '/var/log/mcroute' };
  const NOBODY = { uidOf: () => undefined, gidOf: () => undefined };
  const parsers = {
    'mcroute-gateway.yaml.5': (file: string) => parseGateway(file, 'f', DEFAULTS),
    'mcroute-policy.yaml.5': (file: string) => parsePolicy(file, 'f', NOBODY),
  };
  const keysOf = (name: keyof typeof parsers, file: string) => {
    try {
      parsers[name](file);
    } catch (error) {
      const list = error instanceof Error ? /known are (.+)$/m.exec(error.message)?.[1] : undefined;
      if (list !== undefined) return list.split(', ').sort();
    }
    return assert.fail(`nothing was said of the keys of ${file}`);
  };

  for (const [name, subsection, file] of [
    ['mcroute-gateway.yaml.5', 'The file', `${NO_WORD}: 1`],
    ['mcroute-gateway.yaml.5', 'A place to listen at', `listen: [{ ${NO_WORD}: 1 }]`],
    ['mcroute-gateway.yaml.5', 'TLS', `tls: { ${NO_WORD}: 1 }`],
    ['mcroute-gateway.yaml.5', 'Audit', `audit: { ${NO_WORD}: 1 }`],
    ['mcroute-gateway.yaml.5', 'Limits', `limits: { ${NO_WORD}: 1 }`],
    ['mcroute-policy.yaml.5', 'The file', `${NO_WORD}: 1`],
    ['mcroute-policy.yaml.5', 'A rule', `rules: [{ ${NO_WORD}: 1 }]`],
  ] as const) {
    it(`${name} has the keys of: ${subsection}`, () => {
      const told = itemsOf(page(name)).filter((item) => item.section === 'KEYS' && item.subsection === subsection);
      assert.deepEqual(itemWords(told, 'Cm'), keysOf(name, file));
    });
  }

  it('have examples that the gateway takes', () => {
    for (const name of ['mcroute-gateway.yaml.5', 'mcroute-policy.yaml.5'] as const) {
      const examples = literalsOf(page(name), 'EXAMPLES');
      assert.ok(examples.length > 1);
      for (const example of examples) assert.doesNotThrow(() => parsers[name](example), example);
    }
  });

  it('have every role with its methods', () => {
    const roles =
      page('mcroute-policy.yaml.5')
        .split('.Sh ROLES')[1]
        ?.split(/^\.Sh /m)[0] ?? '';
    const [, ...told] = roles.split(/^\.It Cm /m).map((part) => part.split('.El')[0] ?? '');
    assert.deepEqual(
      told.map((part) => /^\w+/.exec(part)?.[0]),
      ROLES,
    );
    for (const [index, role] of ROLES.entries()) {
      const methods = Object.values(RIGHTS).flatMap((of) =>
        Object.entries(of).flatMap(([method, right]) => (right.role === role ? [method] : [])),
      );
      const named = [...(told[index] ?? '').matchAll(/\b[A-Z][a-z]+(?:[A-Z][a-z]*)*\b/g)].map(([word]) => word);
      assert.deepEqual(named.filter((word) => !PROSE.has(word)).sort(), methods.sort());
    }
  });

  /** What begins with a capital and is no method. */
  const PROSE: ReadonlySet<string> = new Set(['All', 'Also', 'Everything']);
});

describe('no command line that a page or the guide shows is wrong usage', () => {
  const texts = [...PAGES.map((name) => [name, literalsOf(page(name)).join('\n')] as const), ['guide', GUIDE] as const];
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'man-'));
    // Some of them make files where they are called.
    process.chdir(directory);
  });
  after(() => {
    process.chdir(projectFile('.'));
    rmSync(directory, { recursive: true });
  });

  it('mcctl', async () => {
    let count = 0;
    for (const [name, text] of texts) {
      for (const words of commandLines(text, 'mcctl')) {
        const { status, text: said } = await mcctl(words, directory);
        // 64 is wrong usage; nobody answers (69), and the file is not there (66) or is there already (73), are what is expected.
        assert.ok([0, 66, 69, 73].includes(status), `${name}: mcctl ${words.join(' ')}: ${status} ${said}`);
        count++;
      }
    }
    assert.ok(count > 20, `${count} lines`);
  });

  it('smcroutectl', () => {
    let count = 0;
    for (const [name, text] of texts) {
      for (const words of commandLines(text, 'smcroutectl')) {
        assert.doesNotThrow(() => parseCommand(parseOptions(words).words), `${name}: smcroutectl ${words.join(' ')}`);
        count++;
      }
    }
    assert.ok(count > 5, `${count} lines`);
  });
});

describe('docs/migrating-from-smcroute.md', () => {
  it('has files that are taken as they are', () => {
    const files = fencedBlocks(GUIDE, 'yaml').map(({ text }) => text);
    assert.ok(files.length > 0);
    for (const file of files) assert.ok(parseTables(file, 'guide').tables.length > 0);
    const configurations = fencedBlocks(GUIDE, 'smcroute').map(({ text }) => text);
    assert.ok(configurations.length > 0);
    for (const text of configurations) assert.deepEqual(parseConfiguration(text, 'guide').diagnostics, []);
  });

  it('links to files that are there', () => {
    const links = [...GUIDE.matchAll(/\]\(([^)#:]+)[^)]*\)/g)].map(([, path = '']) => path);
    assert.ok(links.length > 0);
    for (const path of links) assert.ok(existsSync(join(projectFile('docs'), path)), path);
  });
});
