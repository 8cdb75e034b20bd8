// The commands on invitations.
import { InvalidArgumentError } from 'commander';
import { type addCommand, answered } from './program.ts';

// Imported when the command runs, like all in ../cli.ts.
const command = () => import('./invite.ts');

/** Adds `invite`. */
export function addInvitationCommands(
  add: (name: string, description: string) => ReturnType<typeof addCommand>,
): void {
  add('invite', 'invite an address, with rights; prints the link where no mail server is configured')
    .argument('<address>', 'the address, which alone can accept')
    .option('--role <role>', 'a role that the link gives; repeatable', collect)
    .option('--permission <permission>', 'a permission that the link gives; repeatable', collect)
    .option('--tenant-id <id>', 'the tenant')
    .option(
      '--expires-in <seconds>',
      'how long the link works, at most 30 days (default: 7 days)',
      parseSeconds,
    )
    .action(
      answered(async (address, options) =>
        (await command()).inviteAddress(String(address), options as object),
      ),
    );
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

function parseSeconds(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It must be a whole number of seconds.');
  return Number(value);
}
