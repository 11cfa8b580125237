// Whom a rule of a policy is for. Pure.
import { quote } from '../api/parse.js';
import { IDENTITY_MAX } from '../model/limits.js';
import { canonicalIdentity } from './identity.js';
import { LOOPBACK_IDENTITY } from './peer.js';

/** Finds the numbers of users and groups of this host; undefined: there is none of that name. */
export interface NameResolver {
  readonly uidOf: (name: string) => number | undefined;
  readonly gidOf: (name: string) => number | undefined;
}

/** What an identity of a rule comes to. */
export type IdentityPattern =
  | { readonly kind: 'pattern'; readonly text: string }
  /** It is right as it stands, and is nobody here. */
  | { readonly kind: 'nobody'; readonly why: string }
  | { readonly kind: 'wrong'; readonly why: string };

/** Parses an identity of a rule, such as `spiffe://studio.example/*`, `dns:*.example`, `user:alice` or `gid:1000`. */
export function parseIdentityPattern(text: string, resolver: NameResolver): IdentityPattern {
  if (!/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text) || text.length > IDENTITY_MAX) {
    return wrong(`${quote(text)} is no identity: 1 to ${IDENTITY_MAX} printable characters of ASCII`);
  }
  const [, kind = '', name = ''] = /^(uid|gid|user|group):(.*)$/.exec(text) ?? [];
  switch (kind) {
    case 'uid':
    case 'gid':
      return ofNumber(kind, name);
    case 'user':
      return ofName(text, 'uid', resolver.uidOf(name), '/etc/passwd');
    case 'group':
      return ofName(text, 'gid', resolver.gidOf(name), '/etc/group');
    default:
      return ofOthers(text);
  }
}

function ofNumber(kind: 'uid' | 'gid', name: string): IdentityPattern {
  if (name === '*' || name === '**') return { kind: 'pattern', text: `${kind}:*` };
  // 4294967295 is nobody's (chown(2)).
  const number = /^\d{1,10}$/.test(name) ? Number(name) : Infinity;
  if (number >= 2 ** 32 - 1) {
    const byName = kind === 'uid' ? 'user' : 'group';
    return wrong(`${quote(`${kind}:${name}`)} has no number: write ${byName}:NAME for a name`);
  }
  return { kind: 'pattern', text: `${kind}:${number}` };
}

function ofName(text: string, kind: 'uid' | 'gid', number: number | undefined, file: string): IdentityPattern {
  if (number !== undefined) return { kind: 'pattern', text: `${kind}:${number}` };
  return { kind: 'nobody', why: `${quote(text)} is not in ${file}; for one of a directory write ${kind}:NUMBER` };
}

function ofOthers(text: string): IdentityPattern {
  const isUri = /^[A-Za-z][A-Za-z0-9+.-]*:/.test(text);
  if (isUri || text === LOOPBACK_IDENTITY || text === '*' || text === '**') {
    return { kind: 'pattern', text: canonicalIdentity(text) };
  }
  return wrong(
    `${quote(text)} is no identity: such are spiffe://..., dns:NAME, cn:NAME, user:NAME, group:NAME, uid:N, gid:N, ` +
      `${LOOPBACK_IDENTITY}, and '**' for everybody`,
  );
}

function wrong(why: string): IdentityPattern {
  return { kind: 'wrong', why };
}
