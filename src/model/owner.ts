/** Whom the resources of the configuration file belong to. */
export const CONFIG_OWNER = 'config';

/** Whom the resources belong to that people add with commands, unless they say otherwise. */
export const COMMAND_OWNER = 'cli';
