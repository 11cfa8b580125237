// What is said of a gateway that cannot be reached: one sentence for each reason, and what to do. Pure.
import { ApiError } from '../../api/status.js';
import { CliError } from '../errors.js';
import { type Finding, type ProbeTarget, type ShownCertificate, targetText, wantedName } from './probe.js';

/**
 * The error for what a probe has found; undefined where it found nothing wrong. `why` is where the host comes from, if
 * nobody has just typed it.
 */
export function explainFinding(
  finding: Finding,
  target: ProbeTarget,
  why: string | undefined,
  now: Date,
): ApiError | CliError | undefined {
  const at = targetText(target);
  const cures = (...lines: readonly string[]) => [...lines, ...(why === undefined ? [] : [why])];
  const unavailable = (text: string, ...lines: readonly string[]) =>
    new ApiError('AGENT_UNAVAILABLE', `no gateway answers at ${at}: ${text}`, {
      metadata: { cure: cures(...lines).join('\n') },
    });
  const untrusted = (text: string, ...lines: readonly string[]) =>
    new CliError('UNTRUSTED', `${at}: ${text}`, cures(...lines));
  switch (finding.kind) {
    case 'fine':
      return undefined;
    case 'no-name':
      return finding.isTemporary
        ? unavailable(`the name '${target.name}' cannot be looked up now`, 'see whether the DNS of this host works')
        : unavailable(`there is no host '${target.name}'`, 'correct the name, or give an address');
    case 'no-connection':
      return unavailable(connectionText(finding.code), connectionCure(finding.code));
    case 'no-answer':
      return finding.step === 'connect'
        ? unavailable('nothing comes back', 'see whether the host is up, and whether a firewall drops what goes there')
        : unavailable('it takes the connection and does not speak TLS', 'see whether this is the port of a gateway');
    case 'no-tls':
      return unavailable(
        'what answers there does not speak TLS',
        `see whether this is the port of a gateway; one on this host that listens without TLS is --host tcp:${at}`,
      );
    case 'old-tls':
      return unavailable('what answers there does not speak TLS 1.3', 'see whether this is the port of a gateway');
    case 'refused':
      return explainRefusal(finding, target, untrusted, unavailable);
    case 'untrusted':
      return untrusted(...explainCertificate(finding.error, finding.certificate, target, now));
    case 'wrong-name': {
      const { names, subject } = finding.certificate;
      const has = names.length === 0 ? `no name (it is of ${subject})` : names.map(bare).join(', ');
      return untrusted(
        `its certificate is not for '${finding.wanted}': it has ${has}`,
        'use a name that it has, or tell which one to expect with --server-name',
      );
    }
  }
}

type Complain<Result> = (text: string, ...lines: readonly string[]) => Result;

function explainRefusal<A, B>(
  { alert, isAfterHandshake }: Finding & { readonly kind: 'refused' },
  { tls }: ProbeTarget,
  untrusted: Complain<A>,
  unavailable: Complain<B>,
): A | B {
  const words = alert.toLowerCase().replaceAll('_', ' ');
  const isOfCertificate = /CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED/.test(alert);
  if (!isOfCertificate && alert !== '') {
    return unavailable(`it ends the connection (TLS alert: ${words})`, 'the log of the gateway has more');
  }
  // Some programs say nothing, and close once they have seen who calls.
  if (alert === '' && !isAfterHandshake) {
    return unavailable('it ends the connection without a word', 'the log of the gateway has more');
  }
  if (tls !== undefined && tls.cert === undefined) {
    return untrusted(
      'it asks for a certificate, and none is given',
      'give yours with --cert FILE --key FILE, MCROUTE_CERT and MCROUTE_KEY, or in a context',
    );
  }
  const how = alert === '' ? 'it ends the connection at its sight' : `TLS alert: ${words}`;
  return untrusted(
    `it does not take this certificate (${how})`,
    'ask who runs the gateway for one that it takes, or give another with --cert and --key',
  );
}

/** OpenSSL's words (X509_verify_cert_error_string(3), without X509_V_ERR_), as Node has them. */
function explainCertificate(
  error: string,
  certificate: ShownCertificate | undefined,
  target: ProbeTarget,
  now: Date,
): [string, string] {
  const issuer = certificate === undefined ? 'somebody' : `'${certificate.issuer}'`;
  const ca = target.tls?.ca === undefined ? 'give its CA with --ca FILE' : 'give its own CA with --ca FILE';
  switch (error) {
    case 'CERT_HAS_EXPIRED': {
      const until = certificate === undefined ? '' : `: it was valid until ${dateText(certificate.validTo)}`;
      const clock = `the clock of this host says ${dateText(now)}`;
      return [`its certificate has expired${until}`, `who runs the gateway has to renew it; ${clock}`];
    }
    case 'CERT_NOT_YET_VALID': {
      const from = certificate === undefined ? '' : `: it is valid from ${dateText(certificate.validFrom)}`;
      return [`its certificate is not yet valid${from}`, `set the clock of this host, which says ${dateText(now)}`];
    }
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return selfSigned(issuer);
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'CERT_SIGNATURE_FAILURE':
      return [`its certificate is signed by ${issuer}, which is not trusted here`, ca];
    case 'INVALID_PURPOSE':
      // OpenSSL may find this first of a certificate that nobody has signed.
      if (certificate?.isSelfSigned === true) return selfSigned(issuer);
      return ['its certificate is not one for servers', 'who runs the gateway has to use a server certificate'];
    case 'CERT_REVOKED':
      return ['its certificate is revoked', 'who runs the gateway has to use another'];
    default:
      return [`its certificate for '${wantedName(target)}' does not hold: ${error}`, ca];
  }
}

function selfSigned(issuer: string): [string, string] {
  return [
    `its certificate is signed by nobody but itself (${issuer})`,
    "who runs the gateway has to use one that a CA has signed ('mcctl cert server'); give that CA with --ca FILE",
  ];
}

function connectionText(code: string): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'the host refuses the connection';
    case 'EHOSTUNREACH':
      return 'there is no way to the host';
    case 'ENETUNREACH':
      return 'there is no way to its network';
    case 'ETIMEDOUT':
      return 'nothing comes back';
    default:
      return code;
  }
}

function connectionCure(code: string): string {
  return code === 'ECONNREFUSED'
    ? 'see whether the gateway runs there and listens on this port (gateway.yaml, listen)'
    : 'see whether the host is up, and whether this one has a way to it: ip route get ADDRESS';
}

function bare(name: string): string {
  return name.replace(/^(?:DNS|IP Address|URI):/, '');
}

function dateText(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'an unknown time' : date.toISOString().slice(0, 16).replace('T', ' ') + ' UTC';
}
