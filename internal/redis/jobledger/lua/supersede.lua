-- supersede: let a fresh copy of its message carry the job.
-- KEYS[1]  the job's hash
-- ARGV     1 channel, 2 nonce of this call, 3 number of the copy, 4 lane, 5 readyAt ms, 6 params of the copy ('': as they are), 7 its
--          priority in the lane, 8 the number of its attempt, then the states that it may be in
-- returns  {answer, state before, lane before, copy number before}; the answer is ok, refused, or absent when there is no record
local key, channel, nonce, replay = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local was = redis.call('HMGET', key, 'state', 'lane', 'replay', 'override', 'ready', 'next')
local state, lane, known = was[1], was[2], tonumber(was[3] or 0)
if not state then
  return {'absent', '', '', 0}
end
local by, before, from = string.match(was[4] or '', '^(%S+) (%S+) (.*)$')
if by == nonce then -- asked once more, since the answer got lost
  return {'ok', before, from, known}
end

if ARGV[6] ~= '' and replay >= known then -- also when a worker has been faster with this copy
  redis.call('HSET', key, 'params', ARGV[6])
end
local allowed = false
for i = 9, #ARGV do
  allowed = allowed or ARGV[i] == state
end
if not allowed or replay <= known then
  return {'refused', state, lane or '', known}
end
redis.call('HSET', key, 'state', 'queued', 'lane', ARGV[4], 'ready', ARGV[5], 'replay', replay,
  'override', nonce .. ' ' .. state .. ' ' .. (lane or ''))
redis.call('HDEL', key, 'next', 'lease', 'nonce')
attemptIs(key, tonumber(ARGV[8]))
leave(key, state, lane)
skips(key, state, lane, known, was[5], was[6])
if state == 'completed' or state == 'dead' or state == 'cancelled' or state == 'missing' then -- it begins anew
  redis.call('HSET', key, 'attempts', 0, 'crashes', 0)
  redis.call('HDEL', key, 'reason', 'ended', 'started', 'wait', 'progress', 'outputs', 'warnings', 'lapsed')
  redis.call('PERSIST', key)
end
if ARGV[7] == '0' then
  redis.call('HDEL', key, 'priority')
else
  redis.call('HSET', key, 'priority', ARGV[7])
end
local t = redis.call('TIME')
enter(key, t[1] * 1000 + math.floor(t[2] / 1000))
redis.call('PUBLISH', channel, redis.call('HINCRBY', key, 'moves', 1))
return {'ok', state, lane or '', known}
