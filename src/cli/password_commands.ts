// The commands that help a user back in.
import { type addCommand, answered } from './program.ts';

const passwordCommands = () => import('./passwords.ts');

const user = ['<user>', 'username, e-mail address or id'] as const;
const reason = ['--reason <text>', 'why; kept in the audit trail'] as const;

/** Adds `set-password`, `recovery-link` and `unlock`. */
export function addPasswordCommands(
  add: (name: string, description: string) => ReturnType<typeof addCommand>,
): void {
  add('set-password', "set a user's password and end all sessions; asks for it twice, or reads it from stdin")
    .argument(...user)
    .option('--generate', 'print a password that is good for one login, which asks for a new one')
    .option('--password-stdin', 'read the password from stdin, up to its last line break')
    .option(...reason)
    .action(
      answered(async (name, options) => (await passwordCommands()).setUserPassword(String(name), options)),
    );
  add('recovery-link', 'print a link by which a user sets a new password, once; works without mail')
    .argument(...user)
    .option(...reason)
    .action(
      answered(async (name, options) => (await passwordCommands()).printRecoveryLink(String(name), options)),
    );
  add('unlock', 'let a user try again at once: removes lockouts and counted failures')
    .argument(...user)
    .option(...reason)
    .action(answered(async (name, options) => (await passwordCommands()).unlock(String(name), options)));
}
