-- beat: keep a worker's heartbeat.
-- KEYS[1]  all heartbeats
-- ARGV     1 worker, 2 heartbeat
-- returns  now, in ms
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now) .. ARGV[2])
return now
