/** Whom the resources of the configuration file belong to. */
export const CONFIG_OWNER = 'config';
