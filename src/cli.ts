// The entry of the CLI, with every command and its options. A command prints one answer on stdout; an error is one line
// on stderr. What a command does is in cli/.
import { CommanderError, InvalidArgumentError, Option } from 'commander';
import { addInvitationCommands } from './cli/invitation_commands.ts';
import { addMessageCommands } from './cli/message_commands.ts';
import { describeProblem } from './cli/output.ts';
import { addCommand, answered, collect, createProgram } from './cli/program.ts';
import { addUserCommands } from './cli/user_commands.ts';

// Imported when a command runs: the engine and the database drivers take half a second to load, and help and typing
// errors do not need them.
const databaseCommands = () => import('./cli/database.ts');
const clientCommands = () => import('./cli/clients.ts');
const registrationCommands = () => import('./cli/registrations.ts');
const operationCommands = () => import('./cli/operations.ts');
const doctorCommand = () => import('./cli/doctor.ts');

const help = `
Every command works on the database of DATABASE_URL, whether or not a server is running. Settings come from the
environment and from .env, as for the server. Results go to stdout, prompts and warnings to stderr. The exit code is
not 0 when a command fails.

Examples:
  kindred migrate
  kindred create-user --username ada --email ada@example.com --role admin
  printf %s "$PASSWORD" | kindred create-user --username bob --password-stdin --json
  kindred create-client --metadata client.json
  kindred create-resource-server --identifier https://api.example.com/ --scope orders:read --scope orders:write
  kindred sessions ada@example.com
  kindred logout ada
  kindred recovery-link ada
  kindred doctor

As npm scripts: npm run kindred -- <command>, and npm run --silent kindred -- <command> --json for machines.`;

const program = createProgram(help);
const add = (name: string, description: string) => addCommand(program, name, description);

add('migrate', 'bring the database to the schema of this version; safe to repeat').action(
  answered(async () => (await databaseCommands()).migrateDatabase()),
);

addUserCommands(add);

// Clients
interface ChangeOptions {
  metadata: string;
}
const change = ['--metadata <file>', 'a JSON file, or - for stdin; null restores a default'] as const;
add('create-client', 'register an OAuth client; prints it with its secret, which is shown only once')
  .requires('--metadata <file>', 'JSON with the members of RFC 7591 and of README; - reads stdin')
  .action(answered(async (options) => (await clientCommands()).createClient(options)));
add('clients', 'list the clients').action(answered(async () => (await registrationCommands()).showClients()));
add('client', 'show a client')
  .argument('<id>')
  .action(answered(async (id) => (await registrationCommands()).showClient(String(id))));
add('update-client', 'change a client')
  .argument('<id>')
  .requires(...change)
  .action(
    answered(async (id, options) =>
      (await registrationCommands()).updateClient(String(id), options as ChangeOptions),
    ),
  );
add('delete-client', 'delete a client and end its sessions; without --yes, print how many would end')
  .argument('<id>')
  .option('--yes', 'confirm')
  .action(
    answered(async (id, options) =>
      (await registrationCommands()).removeClient(String(id), options as object),
    ),
  );
add('add-client-secret', 'add a second secret to a client; prints it once')
  .argument('<id>')
  .action(answered(async (id) => (await registrationCommands()).addSecret(String(id))));
add('remove-client-secret', 'remove a secret of a client; it stops working at once')
  .argument('<id>')
  .argument('<secret-id>')
  .action(
    answered(async (id, secret) => (await registrationCommands()).removeSecret(String(id), String(secret))),
  );

// Resource servers
add('create-resource-server', 'register an API that accepts access tokens')
  .requires('--identifier <uri>', 'the audience of its tokens, an absolute URI')
  .option('--name <name>', 'a display name')
  .option('--scope <scope>', 'a scope that clients may request for it; repeatable', collect)
  .addOption(
    new Option('--format <format>', 'the format of its access tokens')
      .choices(['jwt', 'opaque'])
      .default('jwt'),
  )
  .addOption(
    new Option('--typ <typ>', 'the typ in the header of its JWTs; JWT for libraries that do not know at+jwt')
      .choices(['at+jwt', 'JWT'])
      .default('at+jwt'),
  )
  .option('--access-token-ttl <seconds>', 'the lifetime of its access tokens', parseSeconds)
  .option(
    '--claim <name=member>',
    'a claim of the profile in its access tokens, such as plan=app.plan; repeatable',
    collect,
  )
  .action(answered(async (options) => (await clientCommands()).createResourceServer(options)));
add('resource-servers', 'list the resource servers').action(
  answered(async () => (await registrationCommands()).showResourceServers()),
);
add('resource-server', 'show a resource server')
  .argument('<identifier>')
  .action(answered(async (id) => (await registrationCommands()).showResourceServer(String(id))));
add('update-resource-server', 'change a resource server')
  .argument('<identifier>')
  .requires(...change)
  .action(
    answered(async (id, options) =>
      (await registrationCommands()).changeResourceServer(String(id), options as ChangeOptions),
    ),
  );
add('delete-resource-server', 'delete a resource server')
  .argument('<identifier>')
  .action(answered(async (id) => (await registrationCommands()).removeResourceServer(String(id))));

// Operations
add('doctor', 'report what is wrong with this deployment and how to fix it; exits with 1 if anything is')
  .option(
    '--end-all-sessions',
    'end every live session instead; after a restore, ended sessions are live again',
  )
  .option('--yes', 'confirm')
  .action(answered(async (options) => (await doctorCommand()).doctor(options as object)));
add('sweep', 'remove expired and ended sessions, records and events that are past their retention')
  .option('--dry-run', 'count them and remove nothing')
  .action(answered(async (options) => (await operationCommands()).sweep(options as object)));
add('stats', 'show live sessions, and the logins and refreshes of the last 24 hours')
  .option('--top <count>', 'how many clients and users to list', parseTop)
  .action(answered(async (options) => (await operationCommands()).stats(options as object)));
add('keys', 'list the signing keys, the current one first').action(
  answered(async () => (await operationCommands()).listKeys()),
);
add('rotate-keys', 'switch to the next signing key (no downtime)')
  .option('--dry-run', 'report whether the next key may sign, and change nothing')
  .option('--force', 'rotate even if verifiers may not know the next key yet; for a leaked key')
  .action(answered(async (options) => (await operationCommands()).rotateKeys(options as object)));
add('reencrypt-keys', 'encrypt the signing keys with the first secret of KINDRED_SECRET').action(
  answered(async () => (await operationCommands()).reencryptKeys()),
);

addInvitationCommands(add);
addMessageCommands(add);

function parseTop(value: string): number {
  if (!/^[1-9]\d{0,2}$/.test(value)) throw new InvalidArgumentError('It must be a number from 1 to 999.');
  return Number(value);
}

function parseSeconds(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It must be a whole number of seconds.');
  return Number(value);
}

// `kindred … | head` closes the pipe before everything is written; that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await program.parseAsync();
} catch (error) {
  // Commander has already printed its own errors.
  if (!(error instanceof CommanderError)) console.error(`kindred: ${describeProblem(error)}`);
  process.exitCode = error instanceof CommanderError ? error.exitCode : 1;
}
