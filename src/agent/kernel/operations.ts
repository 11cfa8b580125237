// Which operations go to the kernel in one call, and which refusals say that nothing was left to do. Pure.
import { isSystemError } from './errors.js';
import type { MfcOperation } from './mfc-records.js';
import { RECORDS_PER_CALL } from './native.js';
import type { Operation } from './port.js';

/** The socket option of each mfc operation. */
export const SETSOCKOPT: Readonly<Record<MfcOperation['op'], string>> = {
  'put-mfc': 'MRT_ADD_MFC',
  'delete-mfc': 'MRT_DEL_MFC',
  'put-proxy': 'MRT_ADD_MFC_PROXY',
  'delete-proxy': 'MRT_DEL_MFC_PROXY',
};

/** The mfc operations from `start` on that can go to the kernel in one call: of one family, all learned or none. */
export function mfcBatch(operations: readonly Operation[], start: number): MfcOperation[] {
  const batch: MfcOperation[] = [];
  for (let index = start; index < operations.length && batch.length < RECORDS_PER_CALL; index++) {
    const operation = operations[index];
    if (operation === undefined || !isMfcOperation(operation)) break;
    const [first] = batch;
    const isAlike =
      first === undefined ||
      (first.group.family === operation.group.family && isLearned(first) === isLearned(operation));
    if (!isAlike) break;
    batch.push(operation);
  }
  return batch;
}

function isMfcOperation(operation: Operation): operation is MfcOperation {
  return operation.op in SETSOCKOPT;
}

/** Whether the upcall thread makes or deletes the entry, on whose list it is. */
export function isLearned(operation: MfcOperation): boolean {
  return 'isLearned' in operation && operation.isLearned;
}

/** Whether the kernel refused because it is as it should be already. */
export function isDone({ op }: Operation, error: unknown): boolean {
  return isSystemError(error) && (DONE[op]?.includes(error.code) ?? false);
}

const DONE: Readonly<Partial<Record<Operation['op'], readonly string[]>>> = {
  'add-mrule': ['EEXIST'],
  'delete-mrule': ['ENOENT', 'EAFNOSUPPORT'],
  // The kernel removes the vif of an interface that goes by itself (`ipmr_device_event`).
  'delete-vif': ['EADDRNOTAVAIL'],
};
