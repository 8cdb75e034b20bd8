// Between the password that a user typed and the login that it completes lies a redirect, which the browser may follow
// much later. If the password has changed meanwhile, or all sessions have ended, the login opens nothing any more.
import type { Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { isProved } from '../../core/passwords/credentials.ts';
import { subclass } from '../request/subclass.ts';

/** What an interaction's result says of a login beside the engine's own members. */
export interface ProvedLogin {
  accountId: string;
  /** What `proofOf` gave when the password was right. */
  proof: string;
  /** The user's `session_epoch` at that time: what the browser session of this login lives by. */
  epoch: number;
}

type Result = { login?: Partial<ProvedLogin> } | undefined;

interface EngineModel {
  result?: Result;
}
type EngineModelClass = {
  new (payload: object): EngineModel;
  find: (id: string) => Promise<EngineModel | undefined>;
};

/** The subclass for `Interaction`: one whose login is not worth anything any more asks for it again. */
export function interactionModel(deps: Deps, base: Provider['Interaction']): Provider['Interaction'] {
  return subclass(
    base,
    (Base: EngineModelClass) =>
      class Interaction extends Base {
        static override async find(id: string): Promise<EngineModel | undefined> {
          const found = await Base.find.call(Interaction, id);
          if (found && !(await isLoginProved(deps, found.result))) delete found.result;
          return found;
        }
      },
  );
}

/** The user's `session_epoch` at the login that this result is of; undefined for a result without one. */
export function epochOfLogin(result: unknown): number | undefined {
  return (result as Result)?.login?.epoch;
}

/**
 * Whether the proof of a login is still good; true where there was none. Asked after something of the login was written:
 * a change of the password, or the end of all sessions, either is seen here or sees what was written.
 */
export async function isLoginProved({ db }: Deps, result: unknown): Promise<boolean> {
  const { accountId, proof } = (result as Result)?.login ?? {};
  if (accountId === undefined || proof === undefined) return true;
  return await isProved(db, accountId, proof);
}
