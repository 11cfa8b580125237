// What `cert` uses of this folder. What encodes certificates is large, so this is a bundle of its own (scripts/bundle.mjs) that
// no other command loads: no class of the program is the same here, and nothing here imports one.
export { AuthorityError, readAuthority } from './authority.js';
export { issueAuthority, issueCertificate } from './issue.js';
export { revoke } from './revoke.js';
