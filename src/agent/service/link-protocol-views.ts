// How the protocols of links fare, as the API shows it. Pure.
import type { MrdiscStatus } from '../../api/generated/mcroute/v1/MrdiscStatus.js';
import type { QuerierStatus } from '../../api/generated/mcroute/v1/QuerierStatus.js';
import { renderFamily } from '../../api/render.js';
import { formatAddress } from '../../model/address.js';
import type { AdvertiserSettings, AdvertiserState } from '../mrdisc/advertiser.js';
import type { QuerierSettings, QuerierState } from '../querier/querier.js';
import type { SpeakerView } from '../signalling/speakers.js';

type QuerierView = SpeakerView<QuerierSettings, QuerierState>;
type AdvertiserView = SpeakerView<AdvertiserSettings, AdvertiserState>;

/** Who can tell how the protocols fare; `LinkProtocols` does. */
export interface LinkProtocolViews {
  queriers(): readonly QuerierView[];
  advertisers(): readonly AdvertiserView[];
}

/** What the protocols do on one interface. */
export interface LinkProtocolStatus {
  readonly queriers: QuerierStatus[];
  readonly mrdisc: MrdiscStatus[];
}

/** What the protocols do, by the names of interfaces; those on which none is wanted are not there. */
export function renderLinkProtocols(views: LinkProtocolViews): ReadonlyMap<string, LinkProtocolStatus> {
  const byName = new Map<string, LinkProtocolStatus>();
  const of = (name: string): LinkProtocolStatus => {
    const status = byName.get(name) ?? { queriers: [], mrdisc: [] };
    byName.set(name, status);
    return status;
  };
  for (const view of views.queriers()) of(view.name).queriers.push(renderQuerier(view));
  for (const view of views.advertisers()) of(view.name).mrdisc.push(renderAdvertiser(view));
  return byName;
}

function renderQuerier(view: QuerierView): QuerierStatus {
  const { settings } = view;
  const common = { ...renderTalk(view), version: settings.version };
  if (view.kind === 'waiting') return common;
  const { source, state } = view;
  switch (state.role) {
    case 'querier':
      return { ...common, role: 'ROLE_QUERIER', querier: formatAddress(source) };
    case 'listener':
      return { ...common, role: 'ROLE_NON_QUERIER', querier: formatAddress(state.querier), version: state.version };
  }
}

function renderAdvertiser(view: AdvertiserView): MrdiscStatus {
  return { ...renderTalk(view), interval: view.settings.intervalS };
}

/** What the two messages have in common. */
function renderTalk(view: QuerierView | AdvertiserView) {
  const family = renderFamily(view.settings.family);
  if (view.kind === 'waiting') return { family, waitingFor: WAITING_FOR[view.for] };
  return { family, source: formatAddress(view.source), error: view.error?.message ?? '' };
}

const WAITING_FOR = { up: 'WAITING_FOR_UP', address: 'WAITING_FOR_ADDRESS' } as const;
