// Failures as people read them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ApiError, type Reason } from '../../src/api/status.js';
import { CliError, type Complaint, errorLines, exitCodeOf, fieldInWords } from '../../src/cli/errors.js';

describe('the status of the program', () => {
  it('is that of sysexits.h for each reason of the API', () => {
    const expected: Record<Reason, number> = {
      INVALID_FIELD: 65,
      MESSAGE_TOO_LARGE: 65,
      TABLE_EXISTS: 65,
      TABLE_NOT_FOUND: 69,
      AGENT_UNAVAILABLE: 69,
      AGENT_FAILED: 69,
      CONFIGURATION: 78,
      UNAUTHENTICATED: 77,
      PERMISSION_DENIED: 77,
      RATE_LIMIT: 75,
      NOT_PRIMARY: 1,
      UNCONFIRMED: 1,
      LOCKOUT: 1,
      HISTORY_LOST: 1,
      TABLE_IN_USE: 69,
      INTERNAL: 70,
      STORAGE: 73,
      WATCHER_TOO_SLOW: 75,
      REVISION_MISMATCH: 75,
      REVISION_COMPACTED: 75,
      MISSING_CAPABILITY: 77,
      NOT_FOUND: 1,
      RESOURCE_LIMIT: 1,
      WARNINGS: 1,
      KERNEL_ERROR: 1,
    };
    for (const [reason, status] of Object.entries(expected)) {
      assert.equal(exitCodeOf(new ApiError(reason as Reason, 'text')), status, reason);
    }
  });

  it('is that of sysexits.h for what mcctl itself finds', () => {
    const expected: Record<Complaint, number> = {
      USAGE: 64,
      BAD_FILE: 65,
      NO_FILE: 66,
      NOT_WRITTEN: 73,
      UNTRUSTED: 77,
      TIMEOUT: 75,
      PERMISSION: 77,
      BAD_ENVIRONMENT: 78,
    };
    for (const [complaint, status] of Object.entries(expected)) {
      assert.equal(exitCodeOf(new CliError(complaint as Complaint, 'text')), status, complaint);
    }
  });

  it('tells of a bug', () => {
    assert.equal(exitCodeOf(new TypeError('x')), 70);
    assert.match(errorLines(new TypeError('x is not a function')).join('\n'), /bug of mcctl:\n {2}TypeError: x is not/);
  });
});

describe('fields', () => {
  it('are named as the command line has them', () => {
    const expected = {
      'changes[0].add_oifs.key.group': 'group',
      'changes[0].put.mroute.key.iif': 'iif',
      'changes[0].delete_existing.mroute.source': 'source',
      'changes[0].put.membership.key.interface': 'interface',
      'changes[0].put.interface.key.name': 'interface',
      'changes[0].put.interface.ttl_threshold': '--ttl-threshold',
      'changes[0].add_oifs.oifs[1].interface': 'oif 2',
      'changes[0].put.mroute.oifs[0].ttl_threshold': 'TTL threshold of oif 1',
      'changes[0].put.mroute.except[2]': '--except 3',
      'changes[0].put.interface.boundaries[0]': '--boundary 1',
      'changes[0].put.interface.boundaries': '--boundary',
      'changes[0].put.mroute.label': '--label',
      'changes[0].put.mroute.oifs': 'oifs',
      'changes[0]': 'command',
      owner: '--owner',
      'filter.group': '--group',
      'something.new': 'something.new',
    };
    for (const [field, name] of Object.entries(expected)) assert.equal(fieldInWords(field), name);
  });
});

describe('lines', () => {
  it('tell every field that is wrong, with what the agent says of it', () => {
    const violations = [
      { field: 'changes[0].add_oifs.key.group', description: "'10.1.1.1' is not a multicast group" },
      { field: 'changes[0].add_oifs.oifs[0].interface', description: "'a/b' cannot be the name" },
    ];
    assert.deepEqual(errorLines(new ApiError('INVALID_FIELD', 'two', { violations })), [
      "mcctl: group: '10.1.1.1' is not a multicast group",
      "  oif 1: 'a/b' cannot be the name",
    ]);
  });

  it('tell what the kernel said', () => {
    const metadata = { errno: 'ENOBUFS', syscall: 'setsockopt(MRT_ADD_MFC)' };
    const [first] = errorLines(new ApiError('KERNEL_ERROR', 'no memory for it', { metadata }));
    assert.equal(first, 'mcctl: no memory for it (setsockopt(MRT_ADD_MFC): ENOBUFS)');
  });

  it('tell a cure for every reason that has no fields', () => {
    const reasons: Reason[] = ['TABLE_NOT_FOUND', 'NOT_FOUND', 'RESOURCE_LIMIT', 'WATCHER_TOO_SLOW'];
    reasons.push('REVISION_MISMATCH', 'REVISION_COMPACTED', 'WARNINGS', 'KERNEL_ERROR', 'MESSAGE_TOO_LARGE');
    reasons.push('AGENT_UNAVAILABLE', 'TABLE_IN_USE', 'MISSING_CAPABILITY', 'INTERNAL');
    reasons.push('STORAGE', 'TABLE_EXISTS', 'AGENT_FAILED', 'CONFIGURATION');
    for (const reason of reasons) assert.equal(errorLines(new ApiError(reason, 'text')).length, 2, reason);
  });

  it('cannot act on a terminal', () => {
    assert.deepEqual(errorLines(new CliError('USAGE', 'a\u001b[31mb')), ['mcctl: a\\x1b[31mb']);
  });
});
