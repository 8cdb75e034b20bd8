// The commands on messages: the outbox, and a test of the mail settings.
import { Argument, Option } from 'commander';
import { type addCommand, answered } from './program.ts';

const outboxCommands = () => import('./outbox.ts');

/** Adds `outbox` and `send-test-mail`. */
export function addMessageCommands(
  add: (name: string, description: string) => ReturnType<typeof addCommand>,
): void {
  add('outbox', 'list messages that wait or were given up (default), retry one, or drop one')
    .addArgument(new Argument('[action]').choices(['list', 'retry', 'drop']).default('list'))
    .argument('[id]', 'the message to retry or to drop')
    .addOption(new Option('--kind <kind>', 'list these only').choices(['mail', 'logout_token']))
    .addOption(new Option('--state <state>', 'list these only').choices(['waiting', 'dead']))
    .option('--before <id>', 'go on below this id')
    .action(
      answered(async (action, id, options) =>
        (await outboxCommands()).outbox(String(action), id as string | undefined, options as object),
      ),
    );
  add('send-test-mail', 'send a mail now, with the settings of the server, and report the answer')
    .argument('<address>')
    .action(answered(async (address) => (await outboxCommands()).sendTestMail(String(address))));
}
