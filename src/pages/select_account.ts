// The page that lets a signed-in user choose: continue, or sign in as another user (`prompt=select_account`).
import type { Brand } from './brand.ts';
import { clientName } from './text.ts';
import { type FormTarget, formOf, renderPage } from './view.ts';

export interface SelectAccountPage {
  /** Continues as the signed-in user. */
  form: FormTarget;
  /** To sign in as another user. */
  switchUser: FormTarget;
  client: { name: string };
  user: { username: string; email?: string | null };
}

/** Asks with which account the user wants to continue. */
export function renderSelectAccount(brand: Brand, page: SelectAccountPage): string {
  const name = clientName(page.client.name);
  return renderPage(
    brand,
    'select_account',
    { title: `Choose an account to continue to ${name}` },
    { clientName: name, user: page.user, form: formOf(page.form), switchUser: formOf(page.switchUser) },
  );
}
