// Texts, forms and JSON of a given size that are expensive where work is not linear.

/** Values of one parameter, member or header; `size` is their length in bytes in a form. */
export const values: Record<string, (size: number) => string> = {
  'plain text': (size) => 'x'.repeat(size),
  // Characters of several combining classes, so that NFKC has something to sort.
  'combining marks': (size) => `a${'\u0345\u0300\u0316\u0327'.repeat(size / 8)}`,
  'many words': (size) => Array.from({ length: size / 6 }, (_, index) => index.toString(36)).join(' '),
  'one word again and again': (size) => 'openid '.repeat(size / 7),
  'dots and at signs': (size) => `a@${'.'.repeat(size / 2)}${'@'.repeat(size / 2 - 2)}`,
  digits: (size) => '9'.repeat(size),
  'percent signs': (size) => '%'.repeat(size),
  'a JWT of many parts': (size) => 'eyJhbGciOiJFUzI1NiJ9.'.repeat(size / 21),
  'a JWT of one long part': (size) =>
    `${Buffer.from('{"alg":"ES256"}').toString('base64url')}.${'A'.repeat(size - 30)}.AA`,
  'a JWT of nested JSON': (size) => {
    const levels = size / 3;
    const deep = `{"x":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    return `${Buffer.from('{"alg":"ES256"}').toString('base64url')}.${Buffer.from(deep).toString('base64url')}.AA`;
  },
  'a URL of many parts': (size) => `https://x/${'../a'.repeat(size / 4)}`,
  brackets: (size) => `${'['.repeat(size / 2)}${']'.repeat(size / 2)}`,
};

/** Encoded queries and forms; `name` is a parameter of the endpoint. */
export const forms: Record<string, (size: number, name: string) => string> = {
  'a parameter again and again': (size, name) => `${name}=b&`.repeat(size / (name.length + 3)),
  'an unknown parameter again and again': (size) => 'a=b&'.repeat(size / 4),
  'many parameters': (size) => Array.from({ length: size / 8 }, (_, index) => `a${index}=`).join('&'),
  'percent-encoded text': (size, name) => `${name}=${'%CD%85%CC%80'.repeat(size / 12)}`,
  'percent-encoded names': (size) => `${'%61'.repeat(size / 3)}=`,
  'many resources': (size) => 'resource=https%3A%2F%2Fx%2F&'.repeat(size / 28),
  'nested names': (size) => `a${'[b]'.repeat(size / 3)}=c`,
  'indexed names': (size) => Array.from({ length: size / 9 }, (_, index) => `a[${index}]=`).join('&'),
  'nothing but separators': (size) => '&'.repeat(size),
};

/** Values of one member, as JSON. */
export const jsons: Record<string, (size: number) => string> = {
  'nested arrays': (size) => `${'['.repeat(size / 2)}${']'.repeat(size / 2)}`,
  'nested objects': (size) => `${'{"a":'.repeat(size / 6)}1${'}'.repeat(size / 6)}`,
  'objects of many members': many,
  'long lists': (size) => `[${'"a",'.repeat(size / 4 - 2)}"a"]`,
  'lists of lists': (size) => `[${'[],'.repeat(size / 3 - 2)}[]]`,
  'huge numbers': (size) => '9'.repeat(size),
  'escaped text': (size) => `"${'\\u0300\\u0316'.repeat(size / 12 - 1)}"`,
  'one member again and again': (size) => `{${'"a":1,'.repeat(size / 6 - 2)}"z":1}`,
};

/** Complete JSON bodies. */
export const jsonBodies: Record<string, (size: number) => string> = {
  'many unknown members': many,
  'nothing but nested arrays': (size) => `${'['.repeat(size / 2)}${']'.repeat(size / 2)}`,
};

function many(size: number): string {
  return `{${Array.from({ length: size / 10 }, (_, index) => `"m${index}":1`).join(',')}}`;
}

/** Further values for the headers that the server reads. */
export const headers: Record<string, (size: number) => string> = {
  Cookie: (size) => Array.from({ length: size / 8 }, (_, index) => `c${index}=a`).join('; '),
  'X-Forwarded-For': (size) => '1.2.3.4, '.repeat(size / 9),
  'User-Agent': (size) => 'Mozilla/5.0 (('.repeat(size / 14),
  Authorization: (size) => `Basic ${Buffer.from('a:'.repeat((size * 3) / 8 - 3)).toString('base64')}`,
  DPoP: (size) => 'eyJhbGciOiJFUzI1NiJ9.'.repeat(size / 21),
  Accept: (size) => 'a/b;q=0.1,'.repeat(size / 10),
  'Accept-Language': (size) => 'de;q=0.1,'.repeat(size / 9),
  'Content-Type': (size) => `application/x-www-form-urlencoded${';a=b'.repeat(size / 4 - 9)}`,
  Origin: (size) => `https://${'a.'.repeat(size / 2 - 9)}example`,
  Forwarded: (size) => 'for=1.2.3.4;'.repeat(size / 12),
  traceparent: (size) => '00-'.repeat(size / 3),
};
