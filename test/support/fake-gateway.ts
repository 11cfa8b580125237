// A gateway's own service on a socket, in this process, with answers that the test gives. For tests of clients.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, type ServerWritableStream, type sendUnaryData } from '@grpc/grpc-js';
import type { GatewayServiceHandlers } from '../../src/api/generated/mcroute/v1/GatewayService.js';
import type { GetGatewayResponse } from '../../src/api/generated/mcroute/v1/GetGatewayResponse.js';
import type { SetPolicyRequest__Output } from '../../src/api/generated/mcroute/v1/SetPolicyRequest.js';
import type { SetPolicyResponse } from '../../src/api/generated/mcroute/v1/SetPolicyResponse.js';
import type { WatchAuditResponse } from '../../src/api/generated/mcroute/v1/WatchAuditResponse.js';
import type { WhoAmIResponse } from '../../src/api/generated/mcroute/v1/WhoAmIResponse.js';
import { gatewayDefinition } from '../../src/api/load.js';
import { type ApiError, toStatusObject } from '../../src/api/status.js';

/** A double of a gateway, which serves nothing but itself. */
export class FakeGateway implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'mcctl-gateway-'));
  readonly path = join(this.directory, 'gateway.sock');
  status: GetGatewayResponse = {};
  caller: WhoAmIResponse = {};
  policy = '';
  policyAnswer: SetPolicyResponse = {};
  /** The policies that came. */
  readonly policies: SetPolicyRequest__Output[] = [];
  /** Every call ends with it. */
  failure: ApiError | undefined;
  /** Sent to every audit as it begins; it ends then. */
  audit: WatchAuditResponse[] = [];
  /** Tables that audits were asked for. */
  readonly auditTables: number[] = [];
  readonly #server = new Server();

  /** Starts one. */
  static async listen(): Promise<FakeGateway> {
    const gateway = new FakeGateway();
    gateway.#server.addService(gatewayDefinition(), { ...gateway.#handlers() });
    await new Promise<void>((resolve, reject) => {
      gateway.#server.bindAsync(`unix:${gateway.path}`, ServerCredentials.createInsecure(), (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
    return gateway;
  }

  [Symbol.dispose](): void {
    this.#server.forceShutdown();
    rmSync(this.directory, { recursive: true });
  }

  #handlers(): GatewayServiceHandlers {
    return {
      GetGateway: (_call, callback) => {
        this.#answer(callback, () => this.status);
      },
      WhoAmI: (_call, callback) => {
        this.#answer(callback, () => this.caller);
      },
      GetPolicy: (_call, callback) => {
        this.#answer(callback, () => ({ policy: this.policy, file: this.policy === '' ? '' : '/etc/policy.yaml' }));
      },
      SetPolicy: ({ request }, callback) => {
        this.policies.push(request);
        this.#answer(callback, () => this.policyAnswer);
      },
      WatchAudit: (call: ServerWritableStream<{ readonly table: number }, WatchAuditResponse>) => {
        this.auditTables.push(call.request.table);
        for (const message of this.audit) call.write(message);
        if (this.failure === undefined) call.end();
        else call.emit('error', toStatusObject(this.failure));
      },
    };
  }

  #answer<Response>(callback: sendUnaryData<Response>, answer: () => Response): void {
    if (this.failure === undefined) callback(null, answer());
    else callback(toStatusObject(this.failure));
  }
}
