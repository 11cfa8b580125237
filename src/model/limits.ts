// Every limit that a person or a controller can meet. What happens there is told in docs/operating.md.

/** Table ids that both families take: IPv6 refuses more than eight digits (`ip6mr_new_table`, name pim6reg%u). */
export const TABLE_ID_MIN = 1;
export const TABLE_ID_MAX = 99_999_999;

/** Vifs of one table and family (MAXVIFS, MAXMIFS in the kernel). */
export const VIF_LIMIT = 32;

/** Longest interface name (IFNAMSIZ less the final zero). */
export const INTERFACE_NAME_MAX = 15;

/** Oifs that one rule may name. Wildcards may stand for more. */
export const OIFS_PER_MROUTE_MAX = 64;

/** Prefixes in a rule's `except`. */
export const EXCEPTS_PER_MROUTE_MAX = 256;

/** Prefixes in the boundaries of an interface. */
export const BOUNDARIES_PER_INTERFACE_MAX = 64;

/** Bytes of a label. */
export const LABEL_MAX = 256;

/** Bytes of an owner's name. */
export const OWNER_MAX = 64;

/** Changes of one Apply. */
export const CHANGES_PER_APPLY_MAX = 100_000;

/** Resources of one table, of all owners. */
export const RESOURCES_PER_TABLE_MAX = 1_000_000;

/** (source, group) pairs that one membership with prefixes may stand for. */
export const PAIRS_PER_MEMBERSHIP_MAX = 65_536;

/** Bytes of one message of the API. */
export const MESSAGE_MAX = 16 * 1024 * 1024;

/**
 * Elements (resources, keys, oifs, excepts, boundaries) of one message of the API, however nested. A change with eight oifs has
 * twelve; decoding an element costs some microseconds and a hundred bytes or two.
 */
export const ELEMENTS_MAX = 1_200_000;

/** Watches that one agent, or the supervisor, serves at once. */
export const WATCHERS_MAX = 256;

/** Of those of an agent, the ones of one identity that calls through a gateway: each may hold all keys of the table. */
export const WATCHERS_PER_CALLER_MAX = 16;

/** Sessions (Modify) that one agent has at once. */
export const SESSIONS_MAX = 64;

/** Of them, those of one identity that calls through a gateway. */
export const SESSIONS_PER_CALLER_MAX = 16;

/** Roles of sessions whose election ids one table remembers, and owners whose absence it minds. */
export const ROLES_PER_TABLE_MAX = 1_024;

/** Longest time that an owner's resources outlive its last session, in seconds: a year. */
export const HOLD_TIME_MAX_S = 31_536_000;

/** Operations of one session, pending or failed, whose later states are told. */
export const TRACKED_OPERATIONS_MAX = 100_000;

/** Lists that one agent sends at once; each holds the entries as they were when it began. */
export const LISTS_MAX = 16;

/** Of them, those of one identity that calls through a gateway. */
export const LISTS_PER_CALLER_MAX = 4;

/** Time in which the reader of a list must take something, in ms. */
export const LIST_STALL_MS = 60_000;

/** Changes that one watcher may be behind before it is sent away. */
export const WATCHER_BACKLOG_MAX = 1_000_000;

/** Changes that an agent remembers, so that a watch can resume. */
export const HISTORY_MAX = 65_536;

/** (S,G) entries for flows that no rule matches; the least recently used goes first. */
export const UNMATCHED_FLOWS_MAX = 4_096;

/** Learned (S,G) entries; the least recently used goes first. */
export const LEARNED_FLOWS_MAX = 65_536;

/** Idle time after which a learned entry goes, in seconds; 0 is never. */
export const CACHE_TIMEOUT_DEFAULT_S = 60;

/** Longest idle time that can be asked for, in seconds: a day. */
export const CACHE_TIMEOUT_MAX_S = 86_400;

/** Priorities of mrules; the kernel's own default rule has 32767, and what comes after it is never asked. */
export const MRULE_PRIORITY_MIN = 1;
export const MRULE_PRIORITY_MAX = 32_766;

/** Tables of one host, each with an agent. */
export const TABLES_MAX = 1_024;

/** Bytes of a table's name. */
export const TABLE_NAME_MAX = 64;

/** Characters of `USER:GROUP`; useradd(8) allows 32 for each, directories of users more. */
export const USER_MAX = 256;

/** Bytes of the name of a network namespace, which is that of a file (NAME_MAX). */
export const NETNS_NAME_MAX = 255;

/** Time without a sign of life after which an agent is replaced, in seconds; 0 is never. */
export const WATCHDOG_DEFAULT_S = 60;
export const WATCHDOG_MAX_S = 3_600;

/** Bytes of the supervisor's configuration file. */
export const CONFIGURATION_MAX = 1024 * 1024;

/** Bytes of an agent's configuration with all the files that it includes: half a million routes. */
export const RULES_FILE_MAX = 32 * 1024 * 1024;

/** Files of an agent's configuration, one that is included twice counted twice. */
export const INCLUDED_FILES_MAX = 1_024;

/** Files that include one another, the first one counted. */
export const INCLUDE_DEPTH_MAX = 16;

/** Folders that the patterns of `include` may look into. */
export const INCLUDE_FOLDERS_MAX = 1_024;

/** Words of one line of an agent's configuration. */
export const WORDS_PER_LINE_MAX = 1_024;

/** Errors, and as many warnings, that are told of a configuration; the others are counted. */
export const DIAGNOSTICS_MAX = 200;

/** Bytes of a line that an agent says; the rest of a longer one is dropped. */
export const LOG_LINE_MAX = 32 * 1024;

/** Installs for which the hook (`-e`) has yet to be run; more are dropped and counted. */
export const HOOK_WAITING_MAX = 1_024;

/** Time that one run of the hook may take, in seconds. */
export const HOOK_TIME_LIMIT_S = 30;

/** Lines of one run of the hook that go to the log, and characters of one of them. */
export const HOOK_LINES_MAX = 50;
export const HOOK_LINE_MAX = 1_024;

/** Bytes of a path (PATH_MAX of the kernel less the final zero). */
export const PATH_MAX = 4_095;

/** Bytes of the name by which a gateway knows a caller. */
export const IDENTITY_MAX = 256;

/** Rules of a policy, and items of one of their lists. */
export const POLICY_RULES_MAX = 1_000;
export const POLICY_LIST_MAX = 256;

/** Bytes and changes of one file of the history of an owner, of which two are kept. */
export const HISTORY_BYTES_PER_GENERATION_MAX = 8 * 1024 * 1024;
export const HISTORY_ENTRIES_PER_GENERATION_MAX = 512;

/** Differences that the history of an owner has twice at most where nothing is saved. */
export const HISTORY_DIFFERENCES_IN_MEMORY_MAX = 50_000;

/** Owners with a history, and changes and bytes of all of them; the owner whose last change is the oldest is forgotten first. */
export const HISTORY_OWNERS_MAX = 256;
export const HISTORY_ENTRIES_MAX = 32_768;
export const HISTORY_BYTES_MAX = 64 * 1024 * 1024;

/** Requests without effect that are remembered by their ids. */
export const REPEATABLE_REQUESTS_MAX = 1_024;

/** Bytes of the comment of a change, and of a request id. */
export const COMMENT_MAX = 256;
export const REQUEST_ID_MAX = 64;

/** Time within which a change can be asked to be confirmed, in seconds: a day. */
export const CONFIRM_WITHIN_MAX_S = 86_400;

/** Owners of one table whose changes wait for confirmation. */
export const UNCONFIRMED_OWNERS_MAX = 256;
