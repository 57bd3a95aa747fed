/**
 * The scripts that the fronted Redis runs for us. They are sent whole each time: a cache of scripts would be state that a Redis can lose.
 *
 * They are few and small: what a command and its reply cannot do because the next step depends on the data. Redis runs one in a few
 * microseconds. They decide by their arguments and the data alone, never by Redis's clock, and
 * name each key that they change, or the change would look like somebody else's.
 */

import { commandText } from './command-text.ts';

/** More than this many arguments do not fit on the stack of Redis's Lua. */
export const scriptArgumentsMax = 7000;

/**
 * Removes keys whose deadline is not after a time. Answers for each key as PEXPIRETIME does after it; a deadline that Lua's numbers do not
 * hold is shortened to one they do. It selects the database for itself, which does not outlast it.
 */
const removeDue = `
redis.call('select',ARGV[1])
local r={}
for i,k in ipairs(KEYS) do
 local d=redis.call('pexpiretime',k)
 if d>=0 and d<=tonumber(ARGV[2]) then redis.call('unlink',k) d=-2 end
 if d>9007199254740991 then d=9007199254740991 end
 r[i]=d
end
return r`;

/**
 * XADD with * as at a time of ours. Its id is the time's first free one; where the stream's last id is ahead, the one behind that.
 * Arguments: the time, the id's place among XADD's arguments, and these.
 */
const addAtTime = `
local a={unpack(ARGV,3)}
local p=tonumber(ARGV[2])
a[p]=ARGV[1]..'-*'
local r=redis.pcall('xadd',KEYS[1],unpack(a))
if type(r)~='table' or not r.err then return r end
local s=redis.pcall('xinfo','stream',KEYS[1])
if s.err then return r end
local last
for i=1,#s,2 do if s[i]=='last-generated-id' then last=s[i+1] end end
local ms,seq=string.match(last,'(%d+)-(%d+)')
local t=ARGV[1]
if #ms<#t or (#ms==#t and ms<t) then return r end
local most='18446744073709551615'
a[p]=ms..'-*'
if seq==most then
 if ms==most then return r end
 local head,digit,nines=string.match('0'..ms,'^(.-)([0-8])(9*)$')
 a[p]=head..tostring(tonumber(digit)+1)..string.rep('0',#nines)..'-0'
end
return redis.pcall('xadd',KEYS[1],unpack(a))`;

/**
 * XREADGROUP, and what it delivered counts as delivered at a time of ours. Arguments: the time, group, consumer, and XREADGROUP's own.
 * XCLAIM … JUSTID sets the time alone; entries that are deleted from the stream would leave the group by it, so they are spared.
 */
const readGroupAtTime = `
local r=redis.pcall('xreadgroup',unpack(ARGV,4))
if type(r)~='table' or r.err then return r end
for _,s in ipairs(r) do
 local c={}
 local function flush()
  if #c==0 then return end
  c[#c+1]='time' c[#c+1]=ARGV[1] c[#c+1]='justid'
  redis.call('xclaim',s[1],ARGV[2],ARGV[3],'0',unpack(c))
  c={}
 end
 for _,e in ipairs(s[2]) do
  if e[2] then c[#c+1]=e[1] end
  if #c==1000 then flush() end
 end
 flush()
end
return r`;

/** Any key of the database whose name does not begin so; nothing where there is none. Draws first, then looks. */
const randomKey = `
local p=ARGV[1]
local function wanted(k) return k and string.sub(k,1,#p)~=p end
for i=1,100 do
 local k=redis.call('randomkey')
 if not k or wanted(k) then return k end
end
local c='0'
repeat
 local s=redis.call('scan',c,'count','1000')
 for _,k in ipairs(s[2]) do if wanted(k) then return k end end
 c=s[1]
until c=='0'
return false`;

const evaluation = (script: string, keys: readonly string[], args: readonly string[]): string =>
  commandText(['EVAL', script, String(keys.length), ...keys, ...args]);

/** @param untilMs - a deadline as Redis has it */
export const removeDueCommand = (
  database: number,
  keys: readonly string[],
  untilMs: number,
): string => evaluation(removeDue, keys, [String(database), String(untilMs)]);

/**
 * @param args - XADD's behind its key
 * @param idAt - the place of `*` among them, from 0
 */
export const addAtTimeCommand = (
  key: string,
  args: readonly string[],
  idAt: number,
  timeMs: number,
): string => evaluation(addAtTime, [key], [String(timeMs), String(idAt + 1), ...args]);

export interface GroupRead {
  readonly group: string;
  readonly consumer: string;
  readonly keys: readonly string[];
  /** XREADGROUP's arguments behind its name. */
  readonly args: readonly string[];
}

export const readGroupAtTimeCommand = (read: GroupRead, timeMs: number): string =>
  evaluation(readGroupAtTime, read.keys, [String(timeMs), read.group, read.consumer, ...read.args]);

export const randomKeyCommand = (hiddenPrefix: string): string =>
  evaluation(randomKey, [], [hiddenPrefix]);
