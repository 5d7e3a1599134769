-- lower: note that a waiting job has a lower priority inside its lane than its record says.
-- KEYS[1]  the job's hash
-- ARGV     1 channel, 2 replay of the message that carries it, 3 priority
-- returns  1 when it was noted
local key = KEYS[1]
local was = redis.call('HMGET', key, 'state', 'replay', 'priority')
if was[1] ~= 'queued' and was[1] ~= 'retrying' or was[2] ~= ARGV[2] or tonumber(was[3] or 0) <= tonumber(ARGV[3]) then
  return 0
end
if ARGV[3] == '0' then
  redis.call('HDEL', key, 'priority')
else
  redis.call('HSET', key, 'priority', ARGV[3])
end
redis.call('PUBLISH', ARGV[1], redis.call('HINCRBY', key, 'moves', 1))
return 1
