// What processes take: memory and time of the CPU, as the kernel counts them.
import { readFileSync, writeFileSync } from 'node:fs';

/** Ticks of /proc/PID/stat: USER_HZ, which is 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Proportional set size, in MB (10^6 bytes): pages that several share are split among them. */
export function pss(pid: number): number {
  return field(`/proc/${pid}/smaps_rollup`, 'Pss');
}

/** Resident memory now, in MB. */
export function rss(pid: number): number {
  return field(`/proc/${pid}/status`, 'VmRSS');
}

/** The most resident memory since `resetPeak`, in MB. */
export function peakRss(pid: number): number {
  return field(`/proc/${pid}/status`, 'VmHWM');
}

export function resetPeak(pid: number): void {
  // 5 resets the high water mark (proc_pid_clear_refs(5)).
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Time on CPUs so far, of all threads, in seconds. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name before may hold spaces. utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function field(file: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(file, 'latin1'));
  if (match === null) throw new Error(`${file} has no ${name}`);
  return (Number(match[1]) * 1024) / 1e6;
}
