// The commands. What an operator types becomes one answer on stdout; what is wrong becomes one line on stderr.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { takenByNpm } from '../config/npm.ts';
import about from '../package.json' with { type: 'json' };
import { type Answer, describeProblem, print, warn } from './cli/output.ts';
import { findClosest } from './lib/zod_messages.ts';

// Loaded when needed: the engine and both databases take half a second, which help and typing errors need not wait for.
const databaseCommands = () => import('./cli/database.ts');
const userCommands = () => import('./cli/users.ts');
const clientCommands = () => import('./cli/clients.ts');
const registryCommands = () => import('./cli/registrations.ts');
const importCommand = () => import('./cli/import_users.ts');
const operationCommands = () => import('./cli/operations.ts');
const doctorCommand = () => import('./cli/doctor.ts');

const examples = `
Every command works on the database of DATABASE_URL, whether or not the server runs; settings come from the
environment and from .env, as the server's do. Results go to stdout, questions and warnings to stderr, and the exit
code is not 0 when something went wrong.

Examples:
  kindred migrate
  kindred create-user --username ada --email ada@example.com --role admin
  printf %s "$PASSWORD" | kindred create-user --username bob --password-stdin --json
  kindred create-client --metadata client.json
  kindred create-resource-server --identifier https://api.example.com/ --scope orders:read --scope orders:write
  kindred sessions ada@example.com
  kindred logout ada
  kindred doctor

As npm scripts: npm run kindred -- <command>, and npm run --silent kindred -- <command> --json for machines.`;

/** A command whose needed options are looked for last, so that one that was mistyped is named and not the one it meant. */
class KindredCommand extends Command {
  readonly #needed: Option[] = [];

  override createCommand(name?: string): KindredCommand {
    return new KindredCommand(name);
  }

  needs(flags: string, description: string): this {
    const option = new Option(flags, description);
    this.#needed.push(option);
    return this.addOption(option);
  }

  checkNeeded(): void {
    const missing = this.#needed.find((one) => this.getOptionValue(one.attributeName()) === undefined);
    if (missing) this.error(`required option '${missing.flags}' not specified`);
  }
}

function createProgram(): KindredCommand {
  const program = new KindredCommand('kindred')
    .description('Administers an OAuth 2.0 / OpenID Connect authorization server')
    .version(about.version)
    .addHelpText('after', examples)

    .showSuggestionAfterError(false)
    .configureOutput({
      outputError: (text, write) => write(`kindred: ${withSuggestion(program, withoutPrefix(text))}\n`),
    })
    .exitOverride();
  addDatabaseCommands(program);
  addUserCommands(program);
  addClientCommands(program);
  addRegistryCommands(program);
  addOperationCommands(program);
  return program;
}

function addDatabaseCommands(program: KindredCommand): void {
  add(program, 'migrate', 'bring the database to the schema of this version; safe to repeat').action(
    answered(async () => (await databaseCommands()).migrateDatabase()),
  );
}

function addRegistryCommands(program: KindredCommand): void {
  const by = (name: string, what: string, args: string[], run: (...given: string[]) => Promise<Answer>) => {
    const command = add(program, name, what);
    for (const arg of args) command.argument(`<${arg}>`);
    command.action(answered(async (...given) => await run(...given.slice(0, args.length).map(String))));
  };
  const change = (
    name: string,
    what: string,
    arg: string,
    run: (id: string, options: { metadata: string }) => Promise<Answer>,
  ) =>
    add(program, name, what)
      .argument(`<${arg}>`)
      .needs('--metadata <file>', 'a JSON file, or - for stdin; what is null goes back to its default')
      .action(answered(async (id, options) => await run(String(id), options as { metadata: string })));
  by('clients', 'list clients', [], async () => (await registryCommands()).showClients());
  by('client', 'show a client', ['id'], async (id = '') => (await registryCommands()).showClient(id));
  change('update-client', 'change a client', 'id', async (id, given) =>
    (await registryCommands()).updateClient(id, given),
  );
  add(program, 'delete-client', 'remove a client, its sessions and tokens; says without --yes what would end')
    .argument('<id>')
    .option('--yes', 'really')
    .action(
      answered(async (id, options) => (await registryCommands()).removeClient(String(id), options as object)),
    );
  by('add-client-secret', 'add a second secret, shown once', ['id'], async (id = '') =>
    (await registryCommands()).addSecret(id),
  );
  by('remove-client-secret', 'remove a secret at once', ['id', 'secret-id'], async (id = '', secret = '') =>
    (await registryCommands()).removeSecret(id, secret),
  );
  by('resource-servers', 'list resource servers', [], async () =>
    (await registryCommands()).showResourceServers(),
  );
  by('resource-server', 'show a resource server', ['identifier'], async (id = '') =>
    (await registryCommands()).showResourceServer(id),
  );
  change('update-resource-server', 'change a resource server', 'identifier', async (id, given) =>
    (await registryCommands()).changeResourceServer(id, given),
  );
  by('delete-resource-server', 'remove a resource server', ['identifier'], async (id = '') =>
    (await registryCommands()).removeResourceServer(id),
  );
}

function addUserCommands(program: KindredCommand): void {
  add(program, 'create-user', 'create a user; asks for the password twice unless it comes from stdin')
    .needs('--username <name>', '2 to 64 letters, digits, dots, dashes or underscores')
    .option('--email <address>', 'may be used to log in too')
    .option('--role <role>', 'a role in the access token; repeatable', collect)
    .option('--permission <permission>', 'a permission in the access token; repeatable', collect)
    .option('--tenant-id <id>', 'the tenant, `tid` in the access token')
    .option('--password-stdin', 'read the password from stdin, up to its last line break')
    .action(answered(async (options) => (await userCommands()).createUser(options)));
  add(program, 'import-users', 'take over users from a file of JSON lines; safe to repeat (docs/accounts.md)')
    .argument(
      '<file>',
      'one user a line; what is refused goes to <file>.refused.jsonl, and the exit code is 1',
    )
    .option('--dry-run', 'check everything, and import nothing')
    .action(
      answered(async (file, options) => (await importCommand()).importUsers(String(file), options as object)),
    );
  add(program, 'sessions', "list a user's live sessions, last used first")
    .argument('<user>', 'username, e-mail address or id')
    .action(answered(async (user) => (await userCommands()).listSessions(String(user))));
  add(program, 'logout', "end all of a user's sessions")
    .argument('<user>', 'username, e-mail address or id')
    .action(answered(async (user) => (await userCommands()).logOut(String(user))));
}

function addClientCommands(program: KindredCommand): void {
  add(
    program,
    'create-client',
    'register an OAuth client; prints it with its secret, which is shown only here',
  )
    .needs('--metadata <file>', 'JSON with the names of RFC 7591 and of README; - reads stdin')
    .action(answered(async (options) => (await clientCommands()).createClient(options)));
  add(program, 'create-resource-server', 'register an API that accepts access tokens')
    .needs('--identifier <uri>', 'the audience of its tokens, an absolute URI')
    .option('--name <name>', 'a name for people')
    .option('--scope <scope>', 'a scope that may be asked for there; repeatable', collect)
    .addOption(
      new Option('--format <format>', 'of its access tokens').choices(['jwt', 'opaque']).default('jwt'),
    )
    .option('--access-token-ttl <seconds>', 'lifetime of its access tokens', wholeNumber)
    .action(answered(async (options) => (await clientCommands()).createResourceServer(options)));
}

function addOperationCommands(program: KindredCommand): void {
  add(
    program,
    'doctor',
    'say what is wrong with this deployment and what to do; exits with 1 if something is',
  )
    .option(
      '--end-all-sessions',
      'instead end every live session: after a restore, which brings ended ones back',
    )
    .option('--yes', 'confirm')
    .action(answered(async (options) => (await doctorCommand()).doctor(options as object)));
  add(program, 'sweep', 'remove sessions, records and events that are dead and have been for a while')
    .option('--dry-run', 'count them, and remove nothing')
    .action(answered(async (options) => (await operationCommands()).sweep(options as object)));
  add(program, 'stats', 'live sessions, and the logins and refreshes of the last 24 hours')
    .option('--top <count>', 'how many clients and users to list', smallNumber)
    .action(answered(async (options) => (await operationCommands()).stats(options as object)));
  add(program, 'keys', 'list the signing keys, the current one first').action(
    answered(async () => (await operationCommands()).listKeys()),
  );
  add(program, 'rotate-keys', 'switch to the next signing key (no downtime)')
    .option('--dry-run', 'say whether it could, and do nothing')
    .option('--force', 'although verifiers may not know it yet: the current one has leaked')
    .action(answered(async (options) => (await operationCommands()).rotateKeys(options as object)));
  add(program, 'reencrypt-keys', 'seal the signing keys under the first secret of KINDRED_SECRET').action(
    answered(async () => (await operationCommands()).reencryptKeys()),
  );
}

function add(program: KindredCommand, name: string, description: string): KindredCommand {
  return (program.command(name) as KindredCommand)
    .description(description)
    .option('--json', 'print the result as JSON, for machines');
}

// Commander calls an action with the arguments, the options and the command itself.
function answered(run: (...given: unknown[]) => Promise<Answer>): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as KindredCommand;
    command.checkNeeded();
    const hint = npmHint(command);
    if (hint) warn(hint);
    print(await run(...given.slice(0, -1)), command.opts().json === true);
  };
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

function smallNumber(value: string): number {
  if (!/^[1-9]\d{0,2}$/.test(value)) throw new InvalidArgumentError('It must be a number from 1 to 999.');
  return Number(value);
}

function wholeNumber(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It must be a whole number of seconds.');
  return Number(value);
}

// What was meant, where something that exists is close: Commander's own suggestions come for anything.
function withSuggestion(program: Command, said: string): string {
  const command = program.commands.find((one) => one.name() === process.argv[2]);
  const [, typed = ''] = /^unknown (?:command|option) '([^']+)'/.exec(said) ?? [];
  const known = typed.startsWith('-') ? longOptions(command) : program.commands.map((one) => one.name());
  const meant = typed && findClosest(typed, known);
  const hint = command && npmHint(command);
  return `${said}${meant ? ` (Did you mean ${meant}?)` : ''}${hint ? `; ${hint}` : ''}`;
}

function longOptions(command: Command | undefined): string[] {
  return (command?.options ?? []).flatMap((option) => option.long ?? []);
}

// `npm run kindred sessions ada --json`: npm takes what looks like an option, unless `--` stands before.
function npmHint(command: Command): string | null {
  const taken = takenByNpm(longOptions(command).map((long) => long.slice(2)));
  if (taken.length === 0) return null;
  const options = taken.map((name) => `--${name}`).join(', ');
  return `npm took ${options} for itself; did you forget "--"? npm run kindred -- ${command.name()} …`;
}

function withoutPrefix(text: string): string {
  return text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ');
}

// Through `head` and the like, the reader may be gone before everything is written; that is nobody's error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await createProgram().parseAsync();
} catch (error) {
  // What commander refuses it has already said.
  if (!(error instanceof CommanderError)) console.error(`kindred: ${describeProblem(error)}`);
  process.exitCode = error instanceof CommanderError ? error.exitCode : 1;
}
