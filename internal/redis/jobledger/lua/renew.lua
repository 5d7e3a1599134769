-- renew: extend the lease of a claim and note how far its job is.
-- KEYS[1]  the job's hash
-- ARGV     1 channel, 2 token, 3 lease ms, 4 progress
-- returns  ok, lost, cancelled, or absent when there is no record, or one that knows nothing of this claim
local key = KEYS[1]
local was = redis.call('HMGET', key, 'state', 'token', 'progress', 'lapsed')
if not was[1] then
  return 'absent'
elseif was[1] == 'cancelled' then
  return 'cancelled'
elseif tonumber(was[2] or 0) < tonumber(ARGV[2]) or was[2] == ARGV[2] and was[4] then
  return 'absent'
elseif was[1] ~= 'running' or was[2] ~= ARGV[2] then
  return 'lost'
end
local t = redis.call('TIME')
redis.call('HSET', key, 'lease', t[1] * 1000 + math.floor(t[2] / 1000) + tonumber(ARGV[3]))
if was[3] ~= ARGV[4] then
  redis.call('HSET', key, 'progress', ARGV[4])
  redis.call('PUBLISH', ARGV[1], redis.call('HINCRBY', key, 'moves', 1))
end
return 'ok'
