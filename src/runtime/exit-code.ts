/** Exit codes of sysexits.h, as smcrouted uses them. */
export const EXIT_CODE = {
  ok: 0,
  usage: 64,
  unavailable: 69,
  software: 70,
  osError: 71,
  cannotCreate: 73,
  protocol: 76,
  noPermission: 77,
  config: 78,
} as const;
