// The commands on users: create and import them, end their sessions, help them back in.
import { type addCommand, answered, collect } from './program.ts';

const trustCommand = () => import('./trust_addresses.ts');
const importCommand = () => import('./import_users.ts');
const userCommands = () => import('./users.ts');
const passwordCommands = () => import('./passwords.ts');

type Add = (name: string, description: string) => ReturnType<typeof addCommand>;

const user = ['<user>', 'username, e-mail address or id'] as const;
const reason = ['--reason <text>', 'why; kept in the audit trail'] as const;

/** Adds the commands on users. */
export function addUserCommands(add: Add): void {
  addAccountCommands(add);
  addSessionCommands(add);
  addPasswordCommands(add);
}

function addAccountCommands(add: Add): void {
  add('create-user', 'create a user; asks for the password twice, or reads it from stdin')
    .option('--username <name>', '2 to 64 letters, digits, dots, dashes or underscores')
    .option(
      '--email <address>',
      'an address to log in with, for which you vouch; instead of a username, or beside it',
    )
    .option('--unverified', 'do not vouch for the address: it is good for logging in and for nothing else')
    .option('--role <role>', 'a role in the access token; repeatable', collect)
    .option('--permission <permission>', 'a permission in the access token; repeatable', collect)
    .option('--tenant-id <id>', 'the tenant, `tid` in the access token')
    .option('--password-stdin', 'read the password from stdin, up to its last line break')
    .action(answered(async (options) => (await userCommands()).createUser(options)));
  add('import-users', 'import users from a file of JSON lines; safe to repeat (docs/accounts.md)')
    .argument('<file>', 'one user per line; refused lines go to <file>.refused.jsonl, and the exit code is 1')
    .option('--dry-run', 'check every line and import nothing')
    .option('--trust-addresses', 'vouch for every address of the file: they count as verified')
    .action(
      answered(async (file, options) => (await importCommand()).importUsers(String(file), options as object)),
    );
  add('trust-addresses', 'vouch for unproved addresses: they count as verified')
    .option('--file <file>', 'only these, one address a line; without it, those of all users')
    .action(answered(async (options) => (await trustCommand()).trustAddresses(options as object)));
}

function addSessionCommands(add: Add): void {
  add('sessions', "list a user's live sessions, the last used first")
    .argument(...user)
    .action(answered(async (name) => (await userCommands()).listSessions(String(name))));
  add('logout', "end all of a user's sessions")
    .argument(...user)
    .action(answered(async (name) => (await userCommands()).logOut(String(name))));
}

function addPasswordCommands(add: Add): void {
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
