// What the words of smcroutectl mean.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPrefix } from '../../src/model/address.js';
import { type Command, type CommandName, isChange, parseCommand } from '../../src/cli/smcroute/command.js';
import { CommandError } from '../../src/cli/smcroute/errors.js';
import { parseOptions } from '../../src/cli/smcroute/options.js';

function parse(words: string): Command {
  return parseCommand(words === '' ? [] : words.split(' '));
}

/** The message and the help that go with words that are wrong. */
function objection(words: string): [string, string | undefined] {
  try {
    parse(words);
  } catch (error) {
    if (error instanceof CommandError) return [error.message, error.help];
    throw error;
  }
  return assert.fail(`'${words}' is taken`);
}

/** A change in short: `add a1 (*,239.1.1.1) a2`. */
function change(words: string): string {
  const command = parse(words);
  assert.ok(isChange(command));
  const { kind, flow } = command;
  const oifs = 'oifs' in command ? command.oifs : [];
  const source = flow.source.length === 0 ? '*' : formatPrefix(flow.source);
  return [kind, flow.interface, `(${source},${formatPrefix(flow.group)})`, ...oifs].join(' ');
}

describe('a command of smcroutectl', () => {
  /** The shortest word of each command, and the words that go on from there. */
  const SHORTEST: Record<CommandName, string> = {
    help: 'h',
    version: 'v',
    flush: 'f',
    kill: 'k',
    reload: 'rel',
    show: 's',
    add: 'a',
    remove: 'rem',
    join: 'j',
    leave: 'l',
  };

  for (const [name, shortest] of Object.entries(SHORTEST)) {
    it(`${name} may be shortened to ${shortest}, and no more`, () => {
      const args = ['add', 'remove', 'join', 'leave'].includes(name) ? ' a1 10.0.0.5 239.1.1.1' : '';
      for (let length = shortest.length; length <= name.length; length++) {
        assert.equal(parse(name.slice(0, length) + args).kind, name);
      }
      if (shortest.length > 1) assert.match(objection(shortest.slice(0, -1) + args)[0], /^'re' may be /);
      assert.match(objection(`${name}x${args}`)[0], /^There is no command '/);
    });
  }

  it('is refused where the word may be several, each named once', () => {
    for (const word of ['r', 're']) assert.equal(objection(word)[0], `'${word}' may be reload or remove`);
  });

  it('remove is also del and rem', () => {
    for (const word of ['del', 'de', 'd', 'rem']) {
      assert.equal(change(`${word} a1 239.1.1.1`), 'remove a1 (*,239.1.1.1)');
    }
  });

  it('shows the routes where nothing else is said', () => {
    for (const words of ['', 'show', 's', 'show routes', 's r']) {
      assert.deepEqual(parse(words), { kind: 'show', noun: 'routes' });
    }
  });

  it('show takes any beginning of what there is to show', () => {
    for (const noun of ['interfaces', 'groups', 'pending', 'routes']) {
      for (let length = 1; length <= noun.length; length++) {
        assert.deepEqual(parse(`show ${noun.slice(0, length)}`), { kind: 'show', noun });
      }
    }
    assert.deepEqual(objection('show groupies'), ["'groupies' is nothing that can be shown", 'show']);
  });

  it('help takes a command, shortened or not', () => {
    assert.deepEqual(parse('help'), { kind: 'help', topic: undefined });
    assert.deepEqual(parse('h rem'), { kind: 'help', topic: 'remove' });
    assert.match(objection('help what')[0], /no command 'what'/);
  });

  it('takes what else smcroute does not look at', () => {
    for (const name of ['flush', 'reload', 'kill', 'version']) assert.deepEqual(parse(`${name} now`), { kind: name });
  });

  it('add takes a group, or a source and a group, and oifs', () => {
    assert.equal(change('add a1 239.1.1.1 a2 a3'), 'add a1 (*,239.1.1.1) a2 a3');
    assert.equal(change('add a1 10.0.0.5 239.1.1.1 a2'), 'add a1 (10.0.0.5,239.1.1.1) a2');
    assert.equal(change('add eth+ 10.0.0.7/8 239.1.1.9/24 out+'), 'add eth+ (10.0.0.0/8,239.1.1.0/24) out+');
    assert.equal(change('add a1 2001:db8::1 ff3e::1 a2'), 'add a1 (2001:db8::1,ff3e::1) a2');
    // A stop filter, with a source only: two words are an oif too few.
    assert.equal(change('add a1 10.0.0.5 239.1.1.1'), 'add a1 (10.0.0.5,239.1.1.1)');
  });

  it('takes 0.0.0.0 and :: for any source', () => {
    assert.equal(change('add a1 0.0.0.0 239.1.1.1 a2'), 'add a1 (*,239.1.1.1) a2');
    assert.equal(change('join a1 :: ff3e::1'), 'join a1 (*,ff3e::1)');
  });

  it('remove, join and leave take flows in the same order', () => {
    assert.equal(change('remove a1 10.0.0.5 239.1.1.1'), 'remove a1 (10.0.0.5,239.1.1.1)');
    assert.equal(change('remove a1 239.1.1.1 a2'), 'remove a1 (*,239.1.1.1) a2');
    assert.equal(change('join a1 10.0.0.0/30 232.1.1.0/24'), 'join a1 (10.0.0.0/30,232.1.1.0/24)');
    assert.equal(change('leave a1 239.1.1.1'), 'leave a1 (*,239.1.1.1)');
  });

  for (const [name, words] of Object.entries({
    add: ['add', 'add a1', 'add a1 239.1.1.1'],
    remove: ['remove', 'remove a1'],
    join: ['join', 'join a1'],
    leave: ['leave', 'leave a1'],
  })) {
    it(`${name} says that there are not enough arguments, with its help`, () => {
      for (const text of words) assert.deepEqual(objection(text), [`Not enough arguments to command ${name}`, name]);
    });
  }

  for (const [words, message] of Object.entries({
    'add a1 10.0.0.5 10.0.0.6 a2': 'invalid multicast group: 10.0.0.6',
    'add a1 10.0.0.5 a2': 'invalid multicast group: a2',
    'add a1 a2 a3': 'invalid source/group address: a2',
    'add a1 239.1.1.1/33 a2': 'invalid source/group address: 239.1.1.1/33',
    'join a1 10.0.0.1': 'invalid multicast group: 10.0.0.1',
    'join a1 239.1.1.1 a2': 'Too many arguments to command join',
    'add a1 10.0.0.1 ff3e::1 a2': 'source 10.0.0.1 and group ff3e::1 are of different families',
    'add a/1 239.1.1.1 a2': "'a/1' cannot be the name of an interface",
    'add a1 239.1.1.1 a-name-of-sixteen': "'a-name-of-sixteen' cannot be the name of an interface",
  })) {
    it(`refuses '${words}'`, () => {
      assert.equal(objection(words)[0], message);
    });
  }
});

describe('the options of smcroutectl', () => {
  const options = (words: string) => parseOptions(words.split(' '));

  it('may be joined, and stand before and after the command', () => {
    const { words, isPlain, hasHeadings, isDetailed, socket } = options('-pt show -d groups -u/tmp/x');
    assert.deepEqual(
      [words, isPlain, hasHeadings, isDetailed, socket],
      [['show', 'groups'], true, false, true, '/tmp/x'],
    );
    assert.deepEqual(options('-- -x').words, ['-x']);
  });

  it('are off unless given', () => {
    assert.deepEqual(options('show'), {
      isBatch: false,
      isDetailed: false,
      isJson: false,
      isPlain: false,
      hasHeadings: true,
      socket: '/run/smcroute.sock',
      request: undefined,
      words: ['show'],
    });
    assert.deepEqual([options('-b').isBatch, options('-j').isJson], [true, true]);
    assert.deepEqual([options('-h').request, options('-v').request], ['help', 'version']);
  });

  it('find the socket by the identity, and by its path first', () => {
    assert.equal(options('-i lab show').socket, '/run/lab.sock');
    assert.equal(options('-I lab show').socket, '/run/lab.sock');
    assert.equal(options('-i lab -u /tmp/x show').socket, '/tmp/x');
  });

  it('are refused in the words of getopt, with the usage', () => {
    const refused = (words: string, message: string) => {
      assert.throws(
        () => options(words),
        (error) => error instanceof CommandError && error.help === 'usage' && error.message === message,
      );
    };
    refused('-x', "invalid option -- 'x'");
    refused('-px', "invalid option -- 'x'");
    refused('show -u', "option requires an argument -- 'u'");
    refused('--plain', "invalid option -- '-'");
  });
});
