// What smcroutectl says of itself. Pure.
import { COMMANDS, type CommandName } from './command.js';

/** The help of the program. */
export function usageText(): string {
  const commands = COMMANDS.map((name) => `  ${name.padEnd(10)}${TOPICS[name].summary}`);
  return `Usage:
  smcroutectl [OPTIONS] [COMMAND [ARGUMENTS]]

Options:
  -b        read commands from stdin, one a line
  -d        show counters, and the groups that the kernel has joined
  -i NAME   identity of the daemon: its socket is /run/NAME.sock (default smcroute)
  -j        show as JSON
  -p        headings of tables without control characters
  -t        no headings
  -u FILE   the daemon's socket
  -h        this help
  -v        version

Commands, which may be shortened as long as they can be told apart:
${commands.join('\n')}

IIF and OIF are names of interfaces, or wildcards such as eth+.

`;
}

/** The help of a command. */
export function topicText(name: CommandName): string {
  const { summary, words, example } = TOPICS[name];
  const line = (rest: string) => `  smcroutectl ${name}${rest === '' ? '' : ` ${rest}`}`;
  return `Help:
  ${summary}

Usage:
${line(words)}

Example:
${line(example)}

`;
}

/** The version of the program, and of the interface that it has. */
export function versionText(version: string): string {
  return `mcroute v${version}, with the interface of SMCRoute v2.6\n`;
}

const TOPICS: Record<CommandName, { readonly summary: string; readonly words: string; readonly example: string }> = {
  help: { summary: 'show this help, or that of a command', words: '[COMMAND]', example: 'add' },
  version: { summary: 'show the version', words: '', example: '' },
  flush: { summary: 'drop the routes that were learned from packets', words: '', example: '' },
  kill: { summary: 'end the daemon', words: '', example: '' },
  reload: { summary: 'read the configuration file again', words: '', example: '' },
  show: {
    summary: 'show routes (the default), groups, interfaces, or what is pending',
    words: '[interfaces | groups | pending | routes]',
    example: 'groups',
  },
  add: {
    summary: 'add a route, or oifs to one',
    words: 'IIF [SOURCE[/LEN]] GROUP[/LEN] OIF [OIF ...]',
    example: 'eth0 10.0.0.5 239.1.1.1 eth1 eth2',
  },
  remove: {
    summary: 'remove a route, or only the named oifs from it',
    words: 'IIF [SOURCE[/LEN]] GROUP[/LEN] [OIF ...]',
    example: 'eth0 10.0.0.5 239.1.1.1',
  },
  join: {
    summary: 'join a group on an interface',
    words: 'IIF [SOURCE[/LEN]] GROUP[/LEN]',
    example: 'eth0 239.1.1.1',
  },
  leave: {
    summary: 'leave a group that was joined',
    words: 'IIF [SOURCE[/LEN]] GROUP[/LEN]',
    example: 'eth0 239.1.1.1',
  },
};
