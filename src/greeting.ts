// What whoever starts a server reads: where it listens, and in development what to try first.
import type { Config } from '../config/index.ts';
import { demo } from './demo_data.ts';

/** Prints it. Programs that start a server wait for the first line. */
export function greet({ issuer, env }: Config): void {
  const field = (name: string) => `"$(printf %s "$TOKENS" | sed -E 's/.*"${name}":"([^"]+)".*/\\1/')"`;
  console.log(`Kindred listens; issuer ${issuer}`);
  if (env !== 'development') return;
  console.log(`
  1. log in:    TOKENS=$(curl -s ${issuer}/token -d grant_type=password -d client_id=${demo.app} -d username=${demo.username} -d 'password=${demo.password}' -d device_name=laptop -d device_id=laptop); echo "$TOKENS"

  2. refresh:   TOKENS=$(curl -s ${issuer}/token -d grant_type=refresh_token -d client_id=${demo.app} -d refresh_token=${field('refresh_token')}); echo "$TOKENS"

  3. sessions:  curl -s ${issuer}/api/sessions -H "Authorization: Bearer "${field('access_token')}

"npm run demo" walks through what happens when a token is stolen. The API is described at ${issuer}/api/openapi.json
`);
}
