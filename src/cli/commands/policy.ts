// `policy`: who may do what at a gateway.
import type { Command } from 'commander';
import type { GetPolicyResponse__Output } from '../../api/generated/mcroute/v1/GetPolicyResponse.js';
import type { SetPolicyResponse__Output } from '../../api/generated/mcroute/v1/SetPolicyResponse.js';
import { EXIT_OK } from '../errors.js';
import { nameOfFile, readText } from '../file/read-text.js';
import { isDocumentFormat } from '../output/list.js';
import type { Run, Session } from '../session.js';

/** Adds the commands to the one that they are part of. */
export function addPolicyCommands(policy: Command, run: Run): void {
  policy
    .description('The policy of a gateway: rules of who may do what. See mcroute-policy.yaml(5). Only admins may.')
    .usage('[options] COMMAND ...')
    .addHelpText(
      'after',
      '\nExamples:\n  mcctl policy show > policy.yaml\n  mcctl policy check policy.yaml\n  mcctl policy set policy.yaml',
    );
  policy
    .command('show')
    .summary('print the policy that is in force')
    .description('Prints the policy that is in force, as the file has it.')
    .addHelpText('after', '\nExamples:\n  mcctl --host gw1.example policy show')
    .action((_options: unknown, command: Command) => run(command, showPolicy));
  policy
    .command('check')
    .summary('check a policy, and change nothing')
    .description('Has the gateway check a policy: whether it can be used, and whether it would lock its sender out.')
    .argument('<file>', 'the policy; - is stdin')
    .addHelpText('after', '\nExamples:\n  mcctl policy check policy.yaml')
    .action((path: string, _options: unknown, command: Command) => {
      const text = textOf(path);
      return run(command, async (session) => setPolicy(session, path, await text(session), { isCheck: true }));
    });
  policy
    .command('set')
    .summary('put a policy in force')
    .description('Writes a policy to the policy file of the gateway and puts it in force.')
    .argument('<file>', 'the policy; - is stdin')
    .option('--allow-lockout', 'also one that takes this right from its sender')
    .addHelpText('after', '\nExamples:\n  mcctl --host gw1.example,gw2.example policy set policy.yaml')
    .action((path: string, { allowLockout = false }: { readonly allowLockout?: boolean }, command: Command) => {
      const text = textOf(path);
      return run(command, async (session) =>
        setPolicy(session, path, await text(session), { isCheck: false, allowLockout }),
      );
    });
}

/** Read once, for however many hosts it is. */
function textOf(path: string): (session: Session) => Promise<string> {
  let text: Promise<string> | undefined;
  return ({ stdin }) => {
    text ??= readText(path, stdin);
    return text;
  };
}

async function showPolicy({ gateway, printer, terminal, options }: Session): Promise<number> {
  const { policy, file } = await gateway.ask<GetPolicyResponse__Output>((client, callOptions, callback) =>
    client.getPolicy({}, callOptions, callback),
  );
  await printer.result(
    () => ({ file: file === '' ? null : file, policy: policy === '' ? null : policy }),
    () => (policy === '' || policy.endsWith('\n') ? policy : `${policy}\n`),
  );
  if (policy === '' && !isDocumentFormat(options.output)) {
    terminal.note(
      'there is no policy file: root and the group of the socket are admins, and nobody else may do anything',
    );
  }
  return EXIT_OK;
}

async function setPolicy(
  { gateway, printer, terminal, options }: Session,
  path: string,
  policy: string,
  { isCheck, allowLockout = false }: { readonly isCheck: boolean; readonly allowLockout?: boolean },
): Promise<number> {
  const { rules, warnings } = await gateway.ask<SetPolicyResponse__Output>((client, callOptions, callback) =>
    client.setPolicy({ policy, validateOnly: isCheck, allowLockout }, callOptions, callback),
  );
  const what = isCheck ? 'can be used' : 'is in force';
  await printer.result(
    () => ({ rules, warnings, is_in_force: !isCheck }),
    () => `${nameOfFile(path)} ${what}: ${rules} ${rules === 1 ? 'rule' : 'rules'}\n`,
  );
  if (!isDocumentFormat(options.output)) for (const warning of warnings) terminal.note(`warning: ${warning}`);
  return EXIT_OK;
}
