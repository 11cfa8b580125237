// The resources of a file, sent by Apply or Replace. Shared by `apply` and `diff`.
import type { ApplyResponse__Output } from '../../api/generated/mcroute/v1/ApplyResponse.js';
import type { ReplaceRequest } from '../../api/generated/mcroute/v1/ReplaceRequest.js';
import type { ReplaceResponse__Output } from '../../api/generated/mcroute/v1/ReplaceResponse.js';
import type { Resource__Output } from '../../api/generated/mcroute/v1/Resource.js';
import { ApiError } from '../../api/status.js';
import { CHANGES_PER_APPLY_MAX, RESOURCES_PER_TABLE_MAX } from '../../model/limits.js';
import { CliError } from '../errors.js';
import { joinResourceFiles, resourceFilesAt } from '../file/folder.js';
import { nameOfFile, readText } from '../file/read-text.js';
import { type ResourceFile, parseResourceFile } from '../file/resource-file.js';
import type { Session } from '../session.js';
import { type ChangeOptions, changeFields } from './change.js';

/** How a file is sent. */
export interface FileRequestOptions extends ChangeOptions {
  /** The table's revision that the person looked at. */
  readonly expectedRevision?: string;
}

/** Which results of an Apply are asked for. */
export type ResultsWanted = 'all' | 'notable';

/** Resources in one message of a Replace; with the largest ones it stays far below the limit of a message. */
const RESOURCES_PER_MESSAGE = 1_000;

/** Reads and parses the file, or the folder of files, that `-f` names; once, for however many hosts it is. */
export function resourceFileOf(path: string): (session: Session) => Promise<ResourceFile> {
  let file: Promise<ResourceFile> | undefined;
  return (session) => {
    file ??= readResourceFile(path, session);
    return file;
  };
}

async function readResourceFile(path: string, { stdin }: Session): Promise<ResourceFile> {
  const files: ResourceFile[] = [];
  for (const name of await resourceFilesAt(path)) {
    files.push(parseResourceFile(await readText(name, stdin), nameOfFile(name)));
  }
  return joinResourceFiles(files);
}

/** Puts all resources of a file: all of them or, if one is not valid, none. */
export function applyFile(
  session: Session,
  file: ResourceFile,
  options: FileRequestOptions,
  results: ResultsWanted,
): Promise<ApplyResponse__Output> {
  const { agent } = session;
  if (file.resources.length > CHANGES_PER_APPLY_MAX) {
    throw new CliError(
      'BAD_FILE',
      `the file has ${file.resources.length} resources, and ${CHANGES_PER_APPLY_MAX} at most take effect at once`,
      [
        `use --prune, which takes ${RESOURCES_PER_TABLE_MAX} but removes what the file does not have, or split the file`,
      ],
    );
  }
  const request = {
    ...header(session, options),
    changes: file.resources.map((resource, index) => ({ id: index + 1, put: resource })),
    results: results === 'notable' ? ('RESULT_VIEW_NOTABLE' as const) : ('RESULT_VIEW_ALL' as const),
  };
  return inWordsOfFile(
    file,
    agent.ask((client, callOptions, callback) => client.apply(request, callOptions, callback)),
  );
}

/** Makes the owner's resources exactly those of a file. */
export function replaceByFile(
  session: Session,
  file: ResourceFile,
  options: FileRequestOptions,
): Promise<ReplaceResponse__Output> {
  const { agent } = session;
  return inWordsOfFile(
    file,
    agent.send(
      (client, callOptions, callback) => client.replace(callOptions, callback),
      replaceRequests({ ...header(session, options), resourceCount: file.resources.length }, file.resources),
    ),
  );
}

function header(session: Session, options: FileRequestOptions): Omit<ReplaceRequest, 'resources'> {
  const { expectedRevision } = options;
  return {
    table: session.agent.table,
    owner: session.options.owner,
    ...changeFields(options),
    ...(expectedRevision !== undefined && { expectedRevision }),
  };
}

function* replaceRequests(
  first: Omit<ReplaceRequest, 'resources'>,
  resources: readonly Resource__Output[],
): Generator<ReplaceRequest> {
  yield { ...first, resources: resources.slice(0, RESOURCES_PER_MESSAGE) };
  for (let start = RESOURCES_PER_MESSAGE; start < resources.length; start += RESOURCES_PER_MESSAGE) {
    yield { resources: resources.slice(start, start + RESOURCES_PER_MESSAGE) };
  }
}

/** Says where in the file a field is that the agent does not take. */
async function inWordsOfFile<Reply>(file: ResourceFile, reply: Promise<Reply>): Promise<Reply> {
  try {
    return await reply;
  } catch (error) {
    if (!(error instanceof ApiError) || error.violations.length === 0) throw error;
    const isOfFile = error.violations.some(({ field }) => /^(changes|resources)\[/.test(field));
    if (!isOfFile) throw error;
    const [first = error.message, ...others] = error.violations.map(
      ({ field, description }) => `${file.nameField(field)}: ${description}`,
    );
    throw new CliError('BAD_FILE', first, others, error);
  }
}
