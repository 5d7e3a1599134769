-- cancel: call the job off, and every copy of its message that there may be by now: only one with a higher number brings it back. The lease
-- of a running one stays, until its worker says that nothing runs any more.
-- KEYS[1]  the job's hash
-- ARGV     1 channel, 2 nonce of this call, 3 keep ms, then the states that it may be in; none: whatever it is
-- returns  {answer, state before, lane, copy number}; the answer is ok, refused, or absent when there is no record
local key, channel, nonce = KEYS[1], ARGV[1], ARGV[2]
local was = redis.call('HMGET', key, 'state', 'lane', 'replay', 'override', 'ready', 'next')
local state, lane, replay = was[1], was[2] or '', tonumber(was[3] or 0)
if not state then
  return {'absent', '', '', 0}
end
local by, before, from = string.match(was[4] or '', '^(%S+) (%S+) (.*)$')
if by == nonce then -- asked once more, since the answer got lost
  return {'ok', before, from, replay}
elseif state == 'completed' or state == 'dead' or state == 'cancelled' then
  return {'refused', state, lane, replay}
end
local allowed = #ARGV == 3
for i = 4, #ARGV do
  allowed = allowed or ARGV[i] == state
end
if not allowed then
  return {'refused', state, lane, replay}
end
local t = redis.call('TIME')
redis.call('HSET', key, 'state', 'cancelled', 'replay', replay + 1, 'override', nonce .. ' ' .. state .. ' ' .. lane)
redis.call('HDEL', key, 'next')
leave(key, state, lane)
skips(key, state, lane, replay, was[5], was[6])
redis.call('HSET', key, 'ended', t[1] * 1000 + math.floor(t[2] / 1000))
redis.call('PEXPIRE', key, ARGV[3])
redis.call('PUBLISH', channel, redis.call('HINCRBY', key, 'moves', 1))
return {'ok', state, lane, replay}
