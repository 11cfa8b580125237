// What tshark says of the messages on a link.
import { spawnSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { createInterface } from 'node:readline';
import { type Namespace, plainEnvironment } from './namespaces.js';
import { waitForEvent, waitForLine } from './wait.js';

export function hasTshark(): boolean {
  return spawnSync('tshark', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** What tshark says of a frame; checksums of IPv4, IGMP and ICMPv6. */
export interface SharkFrame {
  readonly type: number;
  readonly checksums: readonly string[];
  readonly complaint: string;
}

/** As tshark writes that a checksum is right. */
export const GOOD = '1';

const SHARK_FIELDS = [
  'igmp.type',
  'icmpv6.type',
  'ip.checksum.status',
  'igmp.checksum.status',
  'icmpv6.checksum.status',
  '_ws.malformed',
  '_ws.expert.message',
];

/** It ends with its namespace. */
export async function openShark(namespace: Namespace) {
  // `icmp6` would not look behind a hop-by-hop header.
  const options = ['-l', '-n', '-i', 'eth0', '-f', 'inbound and (igmp or ip6)', '-o', 'ip.check_checksum:TRUE'];
  const fields = ['-T', 'fields', '-E', 'occurrence=f', ...SHARK_FIELDS.flatMap((field) => ['-e', field])];
  const child = namespace.spawn('tshark', [...options, ...fields], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: plainEnvironment(),
  });
  const news = new EventEmitter();
  const frames: SharkFrame[] = [];
  if (child.stdout === null || child.stderr === null) throw new Error('pipes were asked for');
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [igmp = '', icmp6 = '', ...rest] = line.split('\t');
    const frame = { type: Number(igmp || icmp6), checksums: rest.slice(0, 3), complaint: rest.slice(3).join('') };
    frames.push(frame);
    news.emit('frame', frame);
  });
  await waitForLine(child.stderr, /Capture started/);
  return {
    frame: async (type: number) => {
      const isIt = (frame: SharkFrame) => frame.type === type;
      return frames.find(isIt) ?? (await waitForEvent(news, 'frame', isIt));
    },
  };
}
