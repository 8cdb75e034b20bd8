// The command line of the bench: names of benches, each with its arguments, and a few options.
import { parseArgs } from 'node:util';

export interface Options {
  rounds: number;
  /** The length of a round. */
  seconds: number;
  /** Whether Postgres waits for the disk: its defaults, fsync and synchronous_commit on. */
  durable: boolean;
  /** Write a CPU profile of each Kindred server into bench/results/. */
  profile: boolean;
  pin: boolean;
  /** Whether the results are written into docs/performance.md. */
  writeDocs: boolean;
  /** Minutes after which no further bench begins. */
  minutes: number;
}

export interface Chosen {
  name: string;
  /** The arguments after the name: sizes, peers. */
  args: string[];
}

/** Reads `[names with their arguments] [--rounds N] [--seconds S] [--no-durable] [--profile] [--no-pin] [--write-docs] [--minutes M]`. */
export function readCommandLine(argv: string[], names: string[]): { options: Options; chosen: Chosen[] } {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '2' },
      'no-durable': { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      'no-pin': { type: 'boolean', default: false },
      'write-docs': { type: 'boolean', default: false },
      minutes: { type: 'string', default: '30' },
    },
  });
  const chosen: Chosen[] = [];
  for (const word of positionals) {
    if (names.includes(word)) chosen.push({ name: word, args: [] });
    else if (chosen.length > 0) chosen.at(-1)?.args.push(word);
    else throw new Error(`there is no bench ${word}; there are ${names.join(', ')}`);
  }
  const { profile } = values;
  const [rounds, seconds, minutes] = [values.rounds, values.seconds, values.minutes].map(Number);
  if (!rounds || !seconds || !minutes)
    throw new Error('--rounds, --seconds and --minutes take numbers above 0');
  return {
    chosen,
    options: {
      rounds,
      seconds,
      durable: !values['no-durable'],
      profile,
      pin: !values['no-pin'],
      writeDocs: values['write-docs'],
      minutes,
    },
  };
}
