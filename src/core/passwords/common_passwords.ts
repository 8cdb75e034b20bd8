// The 49,000 most common passwords from leaks, as @zxcvbn-ts/language-common ships them.

let known: Promise<Set<string>> | undefined;

/** Whether `password` is one of the most common passwords, regardless of case. */
export async function isCommonPassword(password: string): Promise<boolean> {
  known ??= load();
  return (await known).has(password.toLowerCase());
}

// Loaded when the first password is chosen: it takes 25 ms and 4 MB, and most processes never need it.
async function load(): Promise<Set<string>> {
  const { dictionary } = await import('@zxcvbn-ts/language-common');
  return new Set(dictionary['passwords-common']);
}
