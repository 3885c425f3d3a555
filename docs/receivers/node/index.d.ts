export type Dialect = 'alva' | 'litestore' | 'cryptlex' | 'shopery' | 'standard';

export const DIALECTS: readonly Dialect[];

/** The request doesn't prove that it comes from the holder of the secret: answer 401. */
export class SignatureError extends Error {}

/**
 * Verify a request: true, or an error. SignatureError for a request that isn't genuine; Error or TypeError for a receiver
 * without a secret, with an unknown dialect or with a body that was parsed already.
 */
export function verify(
  headers: Record<string, string | string[] | undefined> | { entries(): Iterable<[string, string]> },
  body: Uint8Array | string,
  secret: string | ReadonlyArray<string | undefined>,
  dialect?: Dialect,
  options?: { now?: number },
): true;
