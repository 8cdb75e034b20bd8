// The engine's interaction, made ours. A redirect lies between the password that a user typed and the login, and the browser
// may follow it much later. If the password was changed meanwhile, or all sessions were ended, the login opens no session.
import type { Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { findProved } from '../../core/passwords/credentials.ts';
import { seenByRequest } from '../request/seen.ts';
import { subclass } from '../request/subclass.ts';

/** The members of an interaction's result that describe a login, beside the engine's own. */
export interface ProvedLogin {
  accountId: string;
  /** The result of `proofOf` when the password was right. */
  proof: string;
  /** The user's `session_epoch` at that time. */
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

/** The subclass for `Interaction`: where the login is no longer valid, it asks for another. */
export function interactionModel(deps: Deps, base: Provider['Interaction']): Provider['Interaction'] {
  return subclass(
    base,
    (Base: EngineModelClass) =>
      class Interaction extends Base {
        static override async find(id: string): Promise<EngineModel | undefined> {
          const found = await Base.find.call(Interaction, id);
          if (found && !(await prove(deps, found.result))) delete found.result;
          return found;
        }
      },
  );
}

// Whether the proof of a login is still good; true where there was no login. The statements that write what the login opens have the same
// proof as a condition (`provedUser`): a change of the password, or the end of all sessions, either comes first, and nothing
// is written, or finds what was written.
async function prove({ db }: Deps, result: Result): Promise<boolean> {
  const { accountId, proof } = result?.login ?? {};
  if (accountId === undefined || proof === undefined) return true;
  const proved = await findProved(db, accountId, proof);
  if (proved) seenByRequest().proved = proved;
  return proved !== null;
}
