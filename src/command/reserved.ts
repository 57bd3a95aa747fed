/**
 * The names under which a fronted Redis keeps what is ours, beside the application's keys.
 */

/** Keys that begin so belong to Outrigger where it fronts a Redis: clients may neither name nor see them. */
export const reservedPrefix = 'outrigger:';

export const reservedKeyError: string = `ERR keys that begin with '${reservedPrefix}' are reserved for Outrigger`;
