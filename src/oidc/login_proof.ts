// Between the password that somebody typed and the login that comes of it lies a redirect, which its holder follows when
// they please. A password that was changed meanwhile opens nothing any more.
import type { Provider } from 'oidc-provider';
import { isProved } from '../core/credentials.ts';
import type { Services } from '../core/services.ts';

/** What an interaction's result says of a login beside the engine's own members. */
export interface ProvedLogin {
  accountId: string;
  /** What `proofOf` gave when the password was right. */
  proof: string;
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
export function interactionModel(services: Services, base: Provider['Interaction']): Provider['Interaction'] {
  const Base = base as unknown as EngineModelClass;
  class Interaction extends Base {
    static override async find(id: string): Promise<EngineModel | undefined> {
      const found = await Base.find.call(Interaction, id);
      if (found && !(await isLoginProved(services, found.result))) delete found.result;
      return found;
    }
  }
  return Interaction as unknown as Provider['Interaction'];
}

/**
 * Whether the password that a login was proved with is still the user's; true where there was none. Asked after
 * something of the login was written: a change of the password either is seen here, or sees what was written.
 */
export async function isLoginProved({ db }: Services, result: unknown): Promise<boolean> {
  const { accountId, proof } = (result as Result)?.login ?? {};
  if (accountId === undefined || proof === undefined) return true;
  return await isProved(db, accountId, proof);
}
