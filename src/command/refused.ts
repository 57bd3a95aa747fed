/**
 * The commands of Redis 7 that get an error, and the error: not supported yet, or refused for good with the reason.
 *
 * Owns these texts. A name in none of the lists here and in `supported` does not exist for us, as it does not for Redis 7.
 */

/** Commands of types that the memory engine does not hold. */
const otherTypes: readonly string[] = (
  'bitcount bitfield bitfield_ro bitop bitpos getbit setbit pfadd pfcount pfmerge ' +
  'geoadd geodist geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro geosearch geosearchstore ' +
  'hdel hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hrandfield hscan hset hsetnx hstrlen hvals ' +
  'blmove blmpop blpop brpop brpoplpush lindex linsert llen lmove lmpop lpop lpos lpush lpushx lrange lrem lset ltrim ' +
  'rpop rpoplpush rpush rpushx ' +
  'sadd scard sdiff sdiffstore sinter sintercard sinterstore sismember smembers smismember smove spop srandmember srem ' +
  'sscan sunion sunionstore ' +
  'xack xadd xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange xread xreadgroup xrevrange xsetid xtrim ' +
  'bzmpop bzpopmax bzpopmin zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore zlexcount zmpop ' +
  'zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex ' +
  'zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion zunionstore ' +
  'dump restore sort sort_ro'
).split(' ');

/** Commands of the connection or of scripts that wait to be built. */
const otherFeatures: readonly string[] = (
  'acl discard exec multi unwatch watch eval eval_ro evalsha evalsha_ro fcall fcall_ro script ' +
  'psubscribe publish pubsub punsubscribe spublish ssubscribe subscribe sunsubscribe unsubscribe ' +
  'latency slowlog monitor waitaof'
).split(' ');

/** Redis's own words where cluster mode is off; clients know them. */
const noClusterMode = 'ERR This instance has cluster support disabled';

const keptByLog = 'durability is the Raft log and needs no command';
const replicatedByLog = 'replication is by Raft and is not set up by clients';
const internal = 'it is internal to Redis';

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
  module: 'the same code must run on every replica, and modules are not part of the log',
  shutdown: 'stop the sidecar process instead',
  lolwut: 'it serves no data',
  pfdebug: internal,
  pfselftest: internal,
  'restore-asking': internal,
};

const clusterMode: readonly string[] = ['asking', 'cluster', 'readonly', 'readwrite'];

/** The error, without its `-`, of each refused command. */
export function refusals(): Map<string, string> {
  const reasons = new Map<string, string>();
  for (const name of otherTypes) {
    reasons.set(name, `ERR '${name}' is not supported yet by Outrigger's memory engine`);
  }
  for (const name of otherFeatures) {
    reasons.set(name, `ERR '${name}' is not supported yet by Outrigger`);
  }
  for (const name of clusterMode) reasons.set(name, noClusterMode);
  for (const [name, why] of Object.entries(refusedForGood)) {
    reasons.set(name, `ERR '${name}' is refused by Outrigger: ${why}`);
  }
  return reasons;
}

/** The error of a subcommand that its container does not answer. `name` as in `memory|doctor`. */
export function subcommandRefusal(name: string): string {
  return `ERR '${name}' is not supported by Outrigger`;
}
