// Shortened and misspelt words.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { abbreviationsOf, findName } from '../../src/cli/words.js';
import { nearestName } from '../../src/model/spelling.js';

const NAMES = ['add', 'apply', 'show', 'routes', 'rules'];

describe('words', () => {
  it('are found by name and by any beginning that only one name has', () => {
    assert.deepEqual(findName('show', NAMES), { kind: 'found', name: 'show' });
    assert.deepEqual(findName('ro', NAMES), { kind: 'found', name: 'routes' });
    assert.deepEqual(findName('a', NAMES), { kind: 'ambiguous', names: ['add', 'apply'] });
  });

  it('are a name even where another name begins so', () => {
    assert.deepEqual(findName('show', ['show', 'shower']), { kind: 'found', name: 'show' });
  });

  it('that are unknown come with the nearest name, if one is near', () => {
    assert.deepEqual(findName('shwo', NAMES), { kind: 'unknown', nearest: 'show' });
    assert.deepEqual(findName('ruels', NAMES), { kind: 'unknown', nearest: 'rules' });
    assert.deepEqual(findName('zebra', NAMES), { kind: 'unknown', nearest: undefined });
    assert.deepEqual(findName('', NAMES), { kind: 'unknown', nearest: undefined });
    assert.equal(nearestName('oif', ['oifs', 'iif']), 'oifs');
  });

  it('have as abbreviations just the beginnings that find them', () => {
    assert.deepEqual(abbreviationsOf('routes', NAMES), ['ro', 'rou', 'rout', 'route']);
    fc.assert(
      fc.property(fc.uniqueArray(fc.stringMatching(/^[ab]{1,5}$/), { minLength: 1 }), (names) => {
        for (const name of names) {
          const found = abbreviationsOf(name, names);
          for (let length = 1; length < name.length; length++) {
            const beginning = name.slice(0, length);
            const meaning = findName(beginning, names);
            const isFound = meaning.kind === 'found' && meaning.name === name;
            assert.equal(found.includes(beginning), isFound, `${beginning} of ${names.join(' ')}`);
          }
        }
      }),
    );
  });
});
