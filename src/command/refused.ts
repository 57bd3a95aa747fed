/**
 * The commands that get an error, and the error: not supported yet, or refused for good with the reason.
 *
 * Owns these texts. A name in none of the lists here and in `supported` does not exist for us.
 */

/** Commands that wait for what others do. */
const blocking: readonly string[] =
  'blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin'.split(' ');

/** Commands of the connection or of scripts that wait to be built. */
const otherFeatures: readonly string[] = (
  'acl discard exec multi unwatch watch eval eval_ro evalsha evalsha_ro fcall fcall_ro script ' +
  'psubscribe publish pubsub punsubscribe spublish ssubscribe subscribe sunsubscribe unsubscribe ' +
  'latency slowlog monitor waitaof'
).split(' ');

/** Fields with deadlines of their own. */
const fieldDeadlines: readonly string[] =
  'hexpire hexpireat hexpiretime hgetex hpersist hpexpire hpexpireat hpexpiretime hpttl hsetex httl'.split(
    ' ',
  );

/** All that Redis 7.0 lacks: a cluster would need to know that every Redis of it has them, and by the same rules. */
const newerThanRedis7: readonly string[] = (
  'arcount ardel ardelrange arget argetrange argrep arinfo arinsert arlastitems arlen armget armset arnext arop arring ' +
  'arscan arseek arset backup bless blmovem delex digest hgetdel himport hotkeys increx lmovem msetex ' +
  'sdiffcard sunioncard vadd vcard vdim vemb vgetattr vinfo vismember vlinks vrandmember vrange vrem vsetattr vsim ' +
  'xackdel xcfgset xdelex xidmprecord xnack ' +
  'clusterscan commandlog delifeq ' +
  'phcard phdel phdelprefix phexists phget phgetall phlongest phmget phmset phprefixes phscan phset'
).split(' ');

/** Redis's own words where cluster mode is off; clients know them. */
const noClusterMode = 'ERR This instance has cluster support disabled';

const keptByLog = 'durability is the Raft log and needs no command';
const replicatedByLog = 'replication is by Raft and is not set up by clients';
const internal = 'it is internal to Redis';
const modules = 'the same code must run on every replica, and modules are not part of the log';

/** As much of a name as an error repeats. */
const nameBytesMax = 128;

/** What the commands of the modules begin with that Redis 8 and Valkey are delivered with: search, JSON, time series and the like. */
const modulePrefixes: readonly string[] =
  'bf. cf. cms. ft. _ft. json. search. tdigest. timeseries. topk. ts.'.split(' ');

/** Why a command is refused for good. */
const refusedForGood: Readonly<Record<string, string>> = {
  bgrewriteaof: keptByLog,
  bgsave: keptByLog,
  lastsave: keptByLog,
  save: keptByLog,
  failover: replicatedByLog,
  psync: replicatedByLog,
  replconf: replicatedByLog,
  replicaof: replicatedByLog,
  slaveof: replicatedByLog,
  sync: replicatedByLog,
  migrate: 'keys leave and enter a cluster through its nodes only',
  module: modules,
  shutdown: 'stop the sidecar process instead',
  lolwut: 'it serves no data',
  pfdebug: internal,
  pfselftest: internal,
  'restore-asking': internal,
  stralgo: 'Redis 7 has LCS instead',
  trimslots: internal,
};

const clusterMode: readonly string[] = ['asking', 'cluster'];

/** The error, without its `-`, of each refused command. */
export function refusals(): Map<string, string> {
  const reasons = new Map<string, string>();
  for (const name of [...blocking, ...otherFeatures]) {
    reasons.set(name, `ERR '${name}' is not supported yet by Outrigger`);
  }
  for (const name of fieldDeadlines) {
    reasons.set(
      name,
      `ERR '${name}' is not supported yet by Outrigger: fields have no deadlines here`,
    );
  }
  for (const name of newerThanRedis7) {
    reasons.set(
      name,
      `ERR '${name}' is not supported yet by Outrigger: it is newer than Redis 7.0`,
    );
  }
  for (const name of clusterMode) reasons.set(name, noClusterMode);
  for (const [name, why] of Object.entries(refusedForGood)) {
    reasons.set(name, `ERR '${name}' is refused by Outrigger: ${why}`);
  }
  return reasons;
}

/** The error of a command whose type the engine in use does not hold. `name` as in `xgroup|create`. */
export function memoryEngineRefusal(name: string): string {
  return `ERR '${name}' is not supported yet by Outrigger's memory engine`;
}

/** The error of a module's command; undefined for a name that is none. Their names alone have dots. */
export function moduleRefusal(name: string): string | undefined {
  const lower = name.slice(0, nameBytesMax).toLowerCase();
  const isModule = modulePrefixes.some((prefix) => lower.startsWith(prefix));
  return isModule ? `ERR '${lower}' is refused by Outrigger: ${modules}` : undefined;
}

/** The error of a subcommand that its container does not answer. `name` as in `memory|doctor`. */
export function subcommandRefusal(name: string): string {
  return `ERR '${name}' is not supported by Outrigger`;
}
