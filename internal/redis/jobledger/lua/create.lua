-- create: make a job's record unless there is one. A missing job is begun anew.
-- Nothing here changes a field that is there: a producer, whose right this is, may make records and withdraw them, and no more.
-- KEYS[1]  the job's hash
-- ARGV     field, value, … of the record, its state first
-- returns  1 when it was made
local key = KEYS[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local was = redis.call('HMGET', key, 'state')[1]
if was == 'queued' then -- whoever asks is about to publish it (again)
  redis.call('HDEL', key, 'since')
  redis.call('HSETNX', key, 'since', now)
end
if was and was ~= 'missing' then
  return 0
elseif was then
  redis.call('ZREM', missingKey, idOf(key))
  redis.call('DEL', key)
end
for i = 1, #ARGV, 2 do
  redis.call('HSETNX', key, ARGV[i], ARGV[i + 1])
end
if ARGV[2] == 'queued' then
  redis.call('HSETNX', key, 'since', now)
  list(key, now)
end
return 1
