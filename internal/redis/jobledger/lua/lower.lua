-- lower: note that a waiting job has a lower priority inside its lane than its record says.
-- KEYS[1]  the job's hash
-- ARGV     1 channel, 2 copy number of the message that carries it, 3 priority
-- returns  1 when it was noted
local key = KEYS[1]
local was = redis.call('HMGET', key, 'state', 'replay', 'priority', 'lane')
if was[1] ~= 'queued' and was[1] ~= 'retrying' or was[2] ~= ARGV[2] or tonumber(was[3] or 0) <= tonumber(ARGV[3]) then
  return 0
end
leave(key, was[1], was[4])
if ARGV[3] == '0' then
  redis.call('HDEL', key, 'priority')
else
  redis.call('HSET', key, 'priority', ARGV[3])
end
if was[1] == 'queued' then
  local t = redis.call('TIME')
  enter(key, t[1] * 1000 + math.floor(t[2] / 1000))
end
redis.call('PUBLISH', ARGV[1], redis.call('HINCRBY', key, 'moves', 1))
return 1
