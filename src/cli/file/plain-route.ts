// Routes as programs write them: files of a hundred thousand have little else. Pure.
import type { Oif__Output } from '../../api/generated/mcroute/v1/Oif.js';
import type { Resource__Output } from '../../api/generated/mcroute/v1/Resource.js';

/** Reads a route of texts and a list of names; undefined for all else, which is looked at with more care. */
export function plainRoute(value: unknown): Resource__Output | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  let iif: string | undefined;
  let group: string | undefined;
  let oifs: Oif__Output[] | undefined;
  let [source, label] = ['', ''];
  const fields = value as Readonly<Record<string, unknown>>;
  for (const name in fields) {
    const field = fields[name];
    if (name === 'oifs') {
      oifs = plainOifs(field);
      continue;
    }
    if (typeof field !== 'string') return undefined;
    switch (name) {
      case 'iif':
        iif = field;
        break;
      case 'source':
        source = field;
        break;
      case 'group':
        group = field;
        break;
      case 'label':
        label = field;
        break;
      default:
        return undefined;
    }
  }
  if (iif === undefined || group === undefined || oifs === undefined) return undefined;
  return { mroute: { key: { iif, source, group }, oifs, except: [], deny: false, label }, kind: 'mroute' };
}

function plainOifs(value: unknown): Oif__Output[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const oifs: Oif__Output[] = [];
  for (const name of value as readonly unknown[]) {
    if (typeof name !== 'string') return undefined;
    oifs.push({ interface: name });
  }
  return oifs;
}
