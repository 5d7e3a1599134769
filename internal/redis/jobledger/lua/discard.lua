-- discard: call a dead job off, so that it counts as dead no more. Its error stays, and so does how long the record is kept.
-- KEYS[1]  the job's hash
-- ARGV     1 channel, 2 nonce of this call, 3 copy number of its letter
-- returns  {answer, state before, lane, copy number}; the answer is ok, refused, or absent when there is no record
local key, channel, nonce = KEYS[1], ARGV[1], ARGV[2]
local was = redis.call('HMGET', key, 'state', 'lane', 'replay', 'override')
local state, lane, replay = was[1], was[2] or '', tonumber(was[3] or 0)
if not state then
  return {'absent', '', '', 0}
end
local by, before, from = string.match(was[4] or '', '^(%S+) (%S+) (.*)$')
if by == nonce then -- asked once more, since the answer got lost
  return {'ok', before, from, replay}
elseif state ~= 'dead' or replay > tonumber(ARGV[3]) then
  return {'refused', state, lane, replay}
end
redis.call('HSET', key, 'state', 'cancelled', 'replay', tonumber(ARGV[3]) + 1, 'override', nonce .. ' ' .. state .. ' ' .. lane)
redis.call('PUBLISH', channel, redis.call('HINCRBY', key, 'moves', 1))
return {'ok', state, lane, replay}
