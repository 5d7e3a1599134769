-- park: park workers for a while, and forget those whose time is over.
-- KEYS[1]  all parked workers
-- ARGV     1 for how long ms, then the workers
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local parked = redis.call('HGETALL', KEYS[1])
for i = 1, #parked, 2 do
  if tonumber(parked[i + 1]) <= now then
    redis.call('HDEL', KEYS[1], parked[i])
  end
end
for i = 2, #ARGV do
  redis.call('HSET', KEYS[1], ARGV[i], now + tonumber(ARGV[1]))
end
return now
