/**
 * Which commands the servers have that may stand behind a node: data, without subcommands.
 *
 * Redis 7.0: its own COMMAND DOCS. Redis 6.2: the same less what its `since` tells, and what 7.0 dropped. Later ones: `since` of
 * `src/commands/*.json` in redis/redis, the release notes and command pages of redis.io; `src/commands.def` of valkey-io/valkey (a state before
 * the release of 9.2). Commands of modules are told by their prefixes and not listed.
 */

const list = (names: string): readonly string[] => names.split(' ');

/** Redis 7.0, by group. */
export const redis7: Readonly<Record<string, readonly string[]>> = {
  generic: list(
    'copy del dump exists expire expireat expiretime keys migrate move object persist pexpire ' +
      'pexpireat pexpiretime pttl randomkey rename renamenx restore scan sort sort_ro touch ttl ' +
      'type unlink wait',
  ),
  string: list(
    'append decr decrby get getdel getex getrange getset incr incrby incrbyfloat lcs mget ' +
      'mset msetnx psetex set setex setnx setrange strlen substr',
  ),
  bitmap: list('bitcount bitfield bitfield_ro bitop bitpos getbit setbit'),
  hash: list(
    'hdel hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hrandfield hscan ' +
      'hset hsetnx hstrlen hvals',
  ),
  list: list(
    'blmove blmpop blpop brpop brpoplpush lindex linsert llen lmove lmpop lpop lpos lpush ' +
      'lpushx lrange lrem lset ltrim rpop rpoplpush rpush rpushx',
  ),
  set: list(
    'sadd scard sdiff sdiffstore sinter sintercard sinterstore sismember smembers smismember ' +
      'smove spop srandmember srem sscan sunion sunionstore',
  ),
  'sorted-set': list(
    'bzmpop bzpopmax bzpopmin zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard ' +
      'zinterstore zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange zrangebylex ' +
      'zrangebyscore zrangestore zrank zrem zremrangebylex zremrangebyrank zremrangebyscore ' +
      'zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion zunionstore',
  ),
  stream: list(
    'xack xadd xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange xread xreadgroup ' +
      'xrevrange xsetid xtrim',
  ),
  hyperloglog: list('pfadd pfcount pfdebug pfmerge pfselftest'),
  geo: list(
    'geoadd geodist geohash geopos georadius georadius_ro georadiusbymember ' +
      'georadiusbymember_ro geosearch geosearchstore',
  ),
  connection: list('auth client echo hello ping quit reset select'),
  server: list(
    'acl bgrewriteaof bgsave command config dbsize debug failover flushall flushdb info ' +
      'lastsave latency lolwut memory module monitor psync replconf replicaof restore-asking ' +
      'role save shutdown slaveof slowlog swapdb sync time',
  ),
  transactions: list('discard exec multi unwatch watch'),
  pubsub: list(
    'psubscribe publish pubsub punsubscribe spublish ssubscribe subscribe sunsubscribe ' +
      'unsubscribe',
  ),
  scripting: list('eval eval_ro evalsha evalsha_ro fcall fcall_ro function script'),
  cluster: list('asking cluster readonly readwrite'),
};

/** Of Redis 7.0, what 6.2 lacks. */
export const newIn7: readonly string[] = list(
  'blmpop bzmpop eval_ro evalsha_ro expiretime fcall fcall_ro function lcs lmpop ' +
    'pexpiretime sintercard sort_ro spublish ssubscribe sunsubscribe zintercard zmpop',
);

/** What Redis 6.2 has and 7.0 has not. */
export const droppedIn7: readonly string[] = list('host: post stralgo');

/** What each server adds to the one that it builds on: Redis to the version before it, Valkey 8.0 to Redis 7.2. */
export const added: readonly { readonly server: string; readonly names: readonly string[] }[] = [
  { server: 'Redis 7.2', names: list('waitaof') },
  {
    server: 'Redis 7.4',
    names: list(
      'hexpire hexpireat hexpiretime hpersist hpexpire hpexpireat hpexpiretime hpttl httl',
    ),
  },
  {
    server: 'Redis 8.0',
    names: list(
      'hgetdel hgetex hsetex vadd vcard vdim vemb vgetattr vinfo vismember vlinks vrandmember vrem vsetattr vsim',
    ),
  },
  { server: 'Redis 8.2', names: list('xackdel xdelex') },
  { server: 'Redis 8.4', names: list('delex digest msetex vrange') },
  { server: 'Redis 8.6', names: list('hotkeys xcfgset xidmprecord') },
  {
    server: 'Redis 8.8',
    names: list(
      'arcount ardel ardelrange arget argetrange argrep arinfo arinsert arlastitems arlen armget armset arnext arop ' +
        'arring arscan arseek arset increx xnack',
    ),
  },
  {
    server: 'Redis 8.10',
    names: list('backup blmovem himport lmovem sdiffcard sunioncard'),
  },
  { server: 'Redis behind 8.10', names: list('bless trimslots') },
  { server: 'Valkey 8.1', names: list('commandlog') },
  {
    server: 'Valkey 9.0',
    names: list(
      'delifeq hexpire hexpireat hexpiretime hgetex hpersist hpexpire hpexpireat hpexpiretime hpttl hsetex httl',
    ),
  },
  { server: 'Valkey 9.1', names: list('clusterscan hgetdel msetex') },
  {
    server: 'Valkey 9.2',
    names: list(
      'hotkeys increx phcard phdel phdelprefix phexists phget phgetall phlongest phmget phmset phprefixes phscan ' +
        'phset xackdel xdelex xnack',
    ),
  },
];
