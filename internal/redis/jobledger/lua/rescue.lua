-- rescue: note that a running job whose worker vanished is in its lane again.
-- KEYS[1]  the job's hash
-- ARGV     1 channel, 2 lease that it had ('': none), 3 copy number of the message that is in the lane
-- returns  1 when it is queued from now on; 0 when somebody has seen to it meanwhile
local key = KEYS[1]
local was = redis.call('HMGET', key, 'state', 'lane', 'lease', 'replay')
if was[1] ~= 'running' or (was[3] or '') ~= ARGV[2] or tonumber(was[4] or 0) ~= tonumber(ARGV[3]) then
  return 0
end
leave(key, was[1], was[2])
redis.call('HSET', key, 'state', 'queued', 'lapsed', 1)
redis.call('HDEL', key, 'lease', 'nonce', 'progress')
local t = redis.call('TIME')
enter(key, t[1] * 1000 + math.floor(t[2] / 1000))
redis.call('PUBLISH', ARGV[1], redis.call('HINCRBY', key, 'moves', 1))
return 1
