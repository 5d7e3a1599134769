-- lose: note that a queued job's message is no longer in the broker. Its dedup key binds nobody any more.
-- KEYS[1]  the job's hash
-- ARGV     1 channel, 2 lane that it was looked for in, 3 queued since then or before ms, 4 keep ms
-- returns  1 when the job is missing from now on
local key = KEYS[1]
local was = redis.call('HMGET', key, 'state', 'lane', 'since', 'dedup')
if was[1] ~= 'queued' or was[2] ~= ARGV[2] or not was[3] or tonumber(was[3]) > tonumber(ARGV[3]) then
  return 0
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', key, 'state', 'missing', 'ended', now)
leave(key, 'queued', was[2])
redis.call('ZADD', missingKey, now, idOf(key))
redis.call('PEXPIRE', key, ARGV[4])
if was[4] and redis.call('GET', 'siren:dedup:' .. was[4]) == idOf(key) then
  redis.call('DEL', 'siren:dedup:' .. was[4])
end
redis.call('PUBLISH', ARGV[1], redis.call('HINCRBY', key, 'moves', 1))
return 1
