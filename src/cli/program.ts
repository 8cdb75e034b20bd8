// How a command line is read: a command that exists, its options, and an error of one line with a suggestion. The
// commands themselves are in src/cli.ts.
import { Command, Option } from 'commander';
import { takenByNpm } from '../../config/npm.ts';
import about from '../../package.json' with { type: 'json' };
import { findClosest } from '../lib/zod_messages.ts';
import { type Answer, print, warn } from './output.ts';

/** A command that checks its required options last: a mistyped option is reported by the name that was typed. */
class KindredCommand extends Command {
  readonly #required: Option[] = [];

  override createCommand(name?: string): KindredCommand {
    return new KindredCommand(name);
  }

  requires(flags: string, description: string): this {
    const option = new Option(flags, description);
    this.#required.push(option);
    return this.addOption(option);
  }

  checkRequired(): void {
    const missing = this.#required.find((one) => this.getOptionValue(one.attributeName()) === undefined);
    if (missing) this.error(`required option '${missing.flags}' not specified`);
  }
}

/** The program without its commands; `help` follows the list of commands. Throws a CommanderError instead of exiting. */
export function createProgram(help: string): KindredCommand {
  const program = new KindredCommand('kindred')
    .description('Administers an OAuth 2.0 / OpenID Connect authorization server')
    .version(about.version)
    .addHelpText('after', help)
    .showSuggestionAfterError(false)
    .configureOutput({
      outputError: (text, write) => write(`kindred: ${withSuggestion(program, oneLine(text))}\n`),
    })
    .exitOverride();
  return program;
}

/** Adds a command that prints an answer: as text, or as JSON with `--json`. */
export function addCommand(program: KindredCommand, name: string, description: string): KindredCommand {
  return (program.command(name) as KindredCommand)
    .description(description)
    .option('--json', 'print the result as JSON, for machines');
}

/** The action of a command, from a function that gets its arguments and its options and returns the answer. */
export function answered(
  run: (...given: unknown[]) => Promise<Answer>,
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    // Commander calls an action with the arguments, the options and the command itself.
    const command = given.at(-1) as KindredCommand;
    command.checkRequired();
    const hint = npmHint(command);
    if (hint) warn(hint);
    print(await run(...given.slice(0, -1)), command.opts().json === true);
  };
}

// Suggests a name that exists only when it is close to the one typed; Commander suggests one for anything.
function withSuggestion(program: Command, message: string): string {
  const command = program.commands.find((one) => one.name() === process.argv[2]);
  const [, typed = ''] = /^unknown (?:command|option) '([^']+)'/.exec(message) ?? [];
  const known = typed.startsWith('-') ? longOptions(command) : program.commands.map((one) => one.name());
  const suggestion = typed && findClosest(typed, known);
  const hint = command && npmHint(command);
  return `${message}${suggestion ? ` (Did you mean ${suggestion}?)` : ''}${hint ? `; ${hint}` : ''}`;
}

function longOptions(command: Command | undefined): string[] {
  return (command?.options ?? []).flatMap((option) => option.long ?? []);
}

// `npm run kindred sessions ada --json`: npm consumes options unless `--` comes before them.
function npmHint(command: Command): string | null {
  const taken = takenByNpm(longOptions(command).map((long) => long.slice(2)));
  if (taken.length === 0) return null;
  const options = taken.map((name) => `--${name}`).join(', ');
  return `npm took ${options} for itself; did you forget "--"? npm run kindred -- ${command.name()} …`;
}

function oneLine(text: string): string {
  return text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ');
}

/** The values of an option that may be repeated. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}
