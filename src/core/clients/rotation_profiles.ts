// What happens to a refresh token that comes twice: the profiles, the profile of a client that names none, and the retry window
// that each of them has. docs/tokens.md explains them to operators.
import type { ClientMetadata } from './client_metadata.ts';
import { isFapi2 } from './security_profile.ts';

export const rotationProfiles = ['strict', 'web', 'spa', 'mobile', 'observe'] as const;
export type RotationProfile = (typeof rotationProfiles)[number];

const retryWindows: Record<RotationProfile, number> = {
  strict: 0,
  web: 20,
  spa: 60,
  mobile: 60,
  observe: 60,
};

/** The columns of a client that decide. */
export interface ProfileColumns {
  rotation_profile: RotationProfile;
  refresh_token_retry_window: number | null;
}

/** What a request says about these columns: an absent member says nothing, null asks for the default. */
type GivenProfile = { [Name in keyof ProfileColumns]?: ProfileColumns[Name] | null | undefined };

/** What a client is, as far as its default profile depends on it. */
export interface ProfiledClient {
  metadata: { token_endpoint_auth_method?: string | undefined };
  registered_by: 'admin' | 'itself' | 'document';
}

/** The retry window, seconds, of a client without a security profile. */
export function windowOf({ rotation_profile, refresh_token_retry_window }: ProfileColumns): number {
  return refresh_token_retry_window ?? retryWindows[rotation_profile];
}

// A client that keeps a secret runs on a server. Any other one runs on the device of its user, where answers get lost more easily.
// A document can hold no secret, so a document without a method describes a public client.
function defaultProfile({ metadata, registered_by }: ProfiledClient): RotationProfile {
  const absent = registered_by === 'document' ? 'none' : 'client_secret_basic';
  return (metadata.token_endpoint_auth_method ?? absent) === 'none' ? 'mobile' : 'web';
}

// Nodes of the previous version do not know `web` and would give it no window, so its window is written down.
function writtenWindow(profile: RotationProfile): number | null {
  return profile === 'web' ? retryWindows.web : null;
}

/** The columns of a new client: what it asks for, else its default. */
export function newProfile(client: ProfiledClient, given: GivenProfile = {}): ProfileColumns {
  const rotation_profile = given.rotation_profile ?? defaultProfile(client);
  return {
    rotation_profile,
    refresh_token_retry_window: given.refresh_token_retry_window ?? writtenWindow(rotation_profile),
  };
}

/**
 * The columns of a client after a change. A client that turns from public to confidential or back, and had the default profile of its
 * former kind, gets the default of its new one; any other profile stays.
 */
export function changedProfile(
  before: ProfiledClient & ProfileColumns,
  after: ProfiledClient,
  given: GivenProfile = {},
): ProfileColumns {
  const hadDefault = before.rotation_profile === defaultProfile(before);
  const kept = hadDefault ? defaultProfile(after) : before.rotation_profile;
  const asked = given.rotation_profile === undefined ? kept : given.rotation_profile;
  const window = given.refresh_token_retry_window;
  return newProfile(after, {
    rotation_profile: asked,
    refresh_token_retry_window: window === undefined ? ownWindow(before) : window,
  });
}

// The window that was chosen for this client. The window of the profile `web` is stored as well, although it was not chosen.
function ownWindow({ rotation_profile, refresh_token_retry_window }: ProfileColumns): number | null {
  return refresh_token_retry_window === writtenWindow(rotation_profile) ? null : refresh_token_retry_window;
}

/** What the profile means for the client, as a sentence without a full stop. */
export function explainProfile(client: ProfileColumns & { metadata?: ClientMetadata }): string {
  const { rotation_profile, metadata = {} } = client;
  const window = windowOf(client);
  const reuse = rotation_profile === 'observe' ? 'is recorded and ends nothing' : 'ends the session';
  if (isFapi2(metadata))
    return `${rotation_profile}: with security_profile fapi2 the previous refresh token gets the same answer again as long as the session lives; the use of an older one ${reuse}`;
  if (window === 0) return `${rotation_profile}: a refresh token that is used twice ${reuse}`;
  return `${rotation_profile}: for ${window} s after a refresh the previous refresh token gets the same answer again; later, its use ${reuse}`;
}
