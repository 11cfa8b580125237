// GatewayService of proto/: how the gateway is, who calls, and who may do what. Calls come here when the policy has let them
// in.
import type { sendUnaryData, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import { timestampOfMs } from '../api/duration.js';
import type { GatewayServiceHandlers } from '../api/generated/mcroute/v1/GatewayService.js';
import type { GetGatewayResponse } from '../api/generated/mcroute/v1/GetGatewayResponse.js';
import type { WatchAuditRequest__Output } from '../api/generated/mcroute/v1/WatchAuditRequest.js';
import type { WatchAuditResponse } from '../api/generated/mcroute/v1/WatchAuditResponse.js';
import { ApiError, toStatusObject } from '../api/status.js';
import { CONFIGURATION_MAX } from '../model/limits.js';
import type { AuditLog } from './audit.js';
import { grantsOf } from './authorize.js';
import type { Certificates, CertificateView } from './certificates.js';
import type { OwnServer } from './own-server.js';
import type { PolicySource } from './policy-file.js';

/** Connected identities that are told. */
const IDENTITIES_TOLD = 1_000;

/** Readers of the audit at once. */
const READERS_MAX = 32;

/** What the service tells of. */
export interface GatewayParts {
  readonly version: string;
  /** ms after 1970. */
  readonly startTime: number;
  readonly own: OwnServer;
  readonly audit: () => AuditLog;
  readonly policy: () => PolicySource;
  readonly certificates: () => Certificates | undefined;
  /** What is counted of connections and calls. */
  readonly counts: () => Pick<
    GetGatewayResponse,
    | 'listeners'
    | 'connections'
    | 'connectionsWithoutIdentity'
    | 'calls'
    | 'callsTotal'
    | 'refusedConnections'
    | 'refusedCalls'
  >;
  /** Connections and calls by identity. */
  readonly identities: () => ReadonlyMap<string, { readonly connections: number; readonly calls: number }>;
  /** Called with what only a bug can throw. */
  readonly onBug: (error: unknown, method: string) => void;
}

export function gatewayService(parts: GatewayParts): GatewayServiceHandlers {
  let readers = 0;
  return {
    GetGateway: unary(parts, 'GetGateway', () => Promise.resolve(describe(parts))),
    WhoAmI: unary(parts, 'WhoAmI', ({ metadata }) => {
      const { identity, address, subjects } = parts.own.callerOf(metadata);
      return Promise.resolve({ identity, address, grants: [...grantsOf(parts.policy().policy, subjects)] });
    }),
    GetPolicy: unary(parts, 'GetPolicy', () => {
      const { text, file = '' } = parts.policy();
      return Promise.resolve({ policy: text, file });
    }),
    SetPolicy: unary(parts, 'SetPolicy', async ({ request, metadata }) => {
      const { policy: text, validateOnly: isValidateOnly, allowLockout: allowsLockout } = request;
      if (Buffer.byteLength(text) > CONFIGURATION_MAX) {
        const description = `it has more than ${CONFIGURATION_MAX} bytes`;
        throw new ApiError('INVALID_FIELD', `policy: ${description}`, {
          violations: [{ field: 'policy', description }],
        });
      }
      const peer = parts.own.callerOf(metadata);
      const { policy, warnings } = await parts.policy().set(text, { peer, isValidateOnly, allowsLockout });
      return { rules: policy.rules.length, warnings: [...warnings] };
    }),
    WatchAudit: (call) => {
      if (readers === READERS_MAX) {
        const error = new ApiError('RESOURCE_LIMIT', `${READERS_MAX} watch the audit, which is the limit: end one`);
        call.emit('error', toStatusObject(error));
        return;
      }
      readers++;
      const end = watchAudit(parts.audit(), call);
      let isOpen = true;
      const close = () => {
        if (isOpen) readers--;
        isOpen = false;
        end();
      };
      call.once('close', close);
      call.once('cancelled', close);
    },
  };
}

/** Sends lines as long as the reader takes them, and then how many it has missed. */
function watchAudit(
  audit: AuditLog,
  call: ServerWritableStream<WatchAuditRequest__Output, WatchAuditResponse>,
): () => void {
  const { table } = call.request;
  let isBlocked = false;
  let missed = 0;
  call.on('drain', () => {
    isBlocked = false;
  });
  return audit.follow((line, record) => {
    if (table !== 0 && record.table !== table) return;
    if (isBlocked) {
      missed++;
      return;
    }
    isBlocked = !call.write({ line, missed: String(missed) });
    missed = 0;
  });
}

function describe(parts: GatewayParts): GetGatewayResponse {
  const { policy, file, time, error } = parts.policy();
  const { status } = parts.audit();
  const certificates = parts.certificates();
  const identities = [...parts.identities()].slice(0, IDENTITIES_TOLD);
  return {
    serverVersion: parts.version,
    startTime: timestampOfMs(parts.startTime),
    certificates: (certificates?.list() ?? []).map(renderCertificate),
    certificateError: certificates?.error ?? '',
    policyFile: file ?? '',
    policyRules: policy.rules.length,
    policyTime: timestampOfMs(time),
    policyError: error ?? '',
    audit: {
      file: status.file ?? '',
      written: String(status.written),
      lost: String(status.lost),
      error: status.error ?? '',
    },
    identities: identities.map(([identity, counts]) => ({ identity, ...counts })),
    ...parts.counts(),
  };
}

const USES = { server: 'USE_SERVER', 'client-ca': 'USE_CLIENT_CA' } as const;

function renderCertificate(view: CertificateView) {
  const { use, file, subject, names, notBefore, notAfter, daysLeft, fingerprint } = view;
  return {
    use: USES[use],
    file,
    subject,
    names: [...names],
    notBefore: timestampOfMs(notBefore),
    notAfter: timestampOfMs(notAfter),
    daysLeft,
    fingerprint,
  };
}

function unary<Request, Response>(
  parts: GatewayParts,
  method: string,
  handle: (call: ServerUnaryCall<Request, Response>) => Promise<Response>,
) {
  const answer = async (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => {
    let response: Response;
    try {
      response = await handle(call);
    } catch (error) {
      if (!(error instanceof ApiError)) parts.onBug(error, method);
      const told =
        error instanceof ApiError
          ? error
          : new ApiError('INTERNAL', `${method} failed because of a bug; the gateway's log has more`);
      callback(toStatusObject(told));
      return;
    }
    callback(null, response);
  };
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    // answer() catches everything itself.
    void answer(call, callback);
  };
}
