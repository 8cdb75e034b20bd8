// Which passwords may be chosen (NIST SP 800-63B, 3.1.1.2): long enough, not common, not the user's own name. No rules
// of composition, because they make passwords predictable. Every new password is hashed through this file.
import { z } from 'zod';
import { AppError } from '../../lib/errors.ts';
import { nameKey, storedAddressKeys } from '../users/names.ts';
import { isCommonPassword } from './common_passwords.ts';
import { hashPassword, maxPasswordLength } from './password_hash.ts';

const minLength = 8;
const maxLength = 256;

/** A new password in a request. `hashNewPassword` judges it, so the schema refuses none. */
export const newPassword = z.string().meta({
  description: `${minLength} to ${maxLength} characters; common passwords are refused, and the username or e-mail address`,
  minLength,
  maxLength,
});

/** Why a password may not be chosen; stable codes. */
export type Weakness =
  | 'password_too_short'
  | 'password_too_long'
  | 'password_too_common'
  | 'password_is_name';

/** The user who is to have the password. */
export interface PasswordOwner {
  username?: string | null;
  email?: string | null;
}

const descriptions: Record<Weakness, string> = {
  password_too_short: `The password must have at least ${minLength} characters.`,
  password_too_long: `The password must have at most ${maxLength} characters.`,
  password_too_common: 'This password is too common. Choose another one.',
  password_is_name: 'The password must not be the username or e-mail address.',
};

/** Hashes a newly chosen password; refuses a weak one with `weak_password` and the reason. */
export async function hashNewPassword(password: string, owner: PasswordOwner): Promise<string> {
  await requireStrongPassword(password, owner);
  return await hashPassword(password);
}

/** Refuses a weak password with `weak_password` and the reason; hashes nothing. */
export async function requireStrongPassword(password: string, owner: PasswordOwner): Promise<void> {
  const reason = await weaknessOf(password, owner);
  if (reason) throw new AppError('weak_password', descriptions[reason], { reason });
}

/** What is wrong with a password, or null. Length is counted in code points of the form that is hashed (NFKC). */
export async function weaknessOf(password: string, owner: PasswordOwner): Promise<Weakness | null> {
  if (password.length > maxPasswordLength) return 'password_too_long';
  const hashed = password.normalize('NFKC');
  const key = hashed.toLowerCase().normalize('NFKC');
  const length = [...hashed].length;
  if (length < minLength) return 'password_too_short';
  if (length > maxLength) return 'password_too_long';
  if (isNameOf(owner, key)) return 'password_is_name';
  if (isOneCharacter(key) || (await isCommonPassword(key))) return 'password_too_common';
  return null;
}

// A name followed by digits counts as the name: attackers try "ada1999" right after "ada".
function isNameOf({ username, email }: PasswordOwner, key: string): boolean {
  const names = [
    ...[username ?? '', email?.split('@')[0] ?? ''].map(nameKey),
    ...(email ? storedAddressKeys(email) : []),
  ];
  return names.some((name) => name !== '' && key.startsWith(name) && /^\d*$/.test(key.slice(name.length)));
}

function isOneCharacter(key: string): boolean {
  return new Set(key).size === 1;
}
