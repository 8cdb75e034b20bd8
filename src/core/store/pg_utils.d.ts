// What the driver makes of a value before it is sent; its types do not describe this file.
declare module 'pg/lib/utils.js' {
  export function prepareValue(value: unknown): string | Buffer | null;
}
